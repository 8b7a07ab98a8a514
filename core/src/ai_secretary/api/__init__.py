"""HTTP: `/v1` (OpenAI-compatible), `/admin/*` (JSON), and what every request goes through. Thin endpoints, no SQL."""
