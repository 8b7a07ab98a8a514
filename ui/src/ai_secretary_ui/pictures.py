"""Our own constant drawings: the brand glyph, the quiet line, the broken line."""

_BUBBLE = "M22 4C11.5 4 4 11.2 4 20.4c0 5 2.2 9.3 5.9 12.3L9 40l7.6-3.9c1.7.4 3.5.7 5.4.7 10.5 0 18-7.2 18-16.4S32.5 4 22 4z"


def brand(
    classes: str = "as-brand", *, ground: str = "var(--rail-2)", ink: str = "var(--rail-mark)", outlined: bool = True
) -> str:
    """The speech bubble with three bars."""
    stroke = f' stroke="{ink}" stroke-width="2"' if outlined else ""
    bars = "".join(
        f'<rect x="{x}" y="{y}" width="3.6" height="{height}" rx="1.8" fill="{ink}"/>'
        for x, y, height in ((13, 17, 8), (20.2, 12, 18), (27.4, 15, 12))
    )
    return (
        f'<svg class="{classes}" viewBox="0 0 44 44" aria-hidden="true"><path d="{_BUBBLE}" fill="{ground}"{stroke}/>{bars}</svg>'
    )


BRAND_FLAT = brand("as-brandflat", ground="var(--accent)", ink="var(--on-accent)", outlined=False)

FAVICON = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 44 44"><path d="{_BUBBLE}" fill="#12292E" stroke="#E2B45C" '
    'stroke-width="2"/><rect x="13" y="17" width="3.6" height="8" rx="1.8" fill="#E2B45C"/><rect x="20.2" y="12" width="3.6" '
    'height="18" rx="1.8" fill="#E2B45C"/><rect x="27.4" y="15" width="3.6" height="12" rx="1.8" fill="#E2B45C"/></svg>'
)


def _quiet() -> str:
    tones = ("surface-3", "line-strong", "line-strong", "accent", "accent", "accent", "line-strong", "surface-3")
    heights = (6, 10, 22, 40, 54, 30, 14, 6)
    bars = "".join(
        f'<rect x="{14 + 11 * index}" y="{36 - height / 2}" width="5" height="{height}" rx="2.5" fill="var(--{tone})"/>'
        for index, (height, tone) in enumerate(zip(heights, tones, strict=True))
    )
    return (
        '<svg width="104" height="72" viewBox="0 0 104 72" aria-hidden="true">'
        f'<rect x="4" y="34" width="96" height="4" rx="2" fill="var(--surface-3)"/>{bars}</svg>'
    )


QUIET = _quiet()

BROKEN = (
    '<svg width="104" height="72" viewBox="0 0 104 72" aria-hidden="true" fill="none" stroke-linecap="round">'
    '<path d="M4 36h32M68 36h32" stroke="var(--line-strong)" stroke-width="4"/>'
    '<circle cx="42" cy="36" r="7" stroke="var(--err)" stroke-width="4"/>'
    '<circle cx="62" cy="36" r="7" stroke="var(--err)" stroke-width="4"/>'
    '<path d="M48 18l4 8M57 16l-2 9M48 55l4-8" stroke="var(--err)" stroke-width="3"/></svg>'
)
