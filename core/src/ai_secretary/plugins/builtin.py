"""Names of the distributions that ship with AI Secretary: what `--safe-mode` still loads. Names only; nothing is imported."""

BUILTIN_DISTRIBUTIONS = frozenset(
    {
        "ai-secretary-ui",
        "ai-secretary-faq",
        "ai-secretary-llm-cloud",
        "ai-secretary-llm-local",
        "ai-secretary-llm-vllm",
        "ai-secretary-stt",
        "ai-secretary-tts-festival",
        "ai-secretary-tts-piper",
        "ai-secretary-tts-xtts",
        "ai-secretary-gsm-sim7600",
        "ai-secretary-telegram",
        "ai-secretary-payments",
        "ai-secretary-sales",
        "ai-secretary-finetune",
        "ai-secretary-widget",
        "ai-secretary-legal",
        "ai-secretary-backup",
        "ai-secretary-usage",
        "ai-secretary-monitoring",
    }
)
