"""What stands in the head of every page: theme before the first paint, styles, fonts, our script."""

from __future__ import annotations

from ai_secretary_ui.shell.assets import Assets

TEXT_FONT = "golos-text-cyrillic-wght-normal.woff2"
THEMES = ("light", "dark", "night", "system")
THEME_COOKIE = "secretary_theme"
LANGUAGE_COOKIE = "secretary_language"

FIRST_PAINT = """(function(){
function cookie(n){var m=document.cookie.match(new RegExp('(?:^|; )'+n+'=([^;]*)'));return m?m[1]:''}
function keep(n,v){document.cookie=n+'='+v+';path=/;max-age=31536000;samesite=lax'+(location.protocol==='https:'?';secure':'')}
var media=matchMedia('(prefers-color-scheme: dark)');
function resolve(n){return n==='light'||n==='dark'||n==='night'?n:(media.matches?'dark':'light')}
var colors={light:'#12292E',dark:'#0A1012',night:'#0E0904'};
function paint(){var r=resolve(cookie('secretary_theme'));document.documentElement.dataset.theme=r;
var m=document.querySelector('meta[name=theme-color]');if(m)m.content=colors[r];
if(window.Quasar&&Quasar.Dark&&window.setDark)setDark(r!=='light');window.dispatchEvent(new CustomEvent('as-theme',{detail:r}))}
window.asTheme=function(n){keep('secretary_theme',n);paint();if(window.socket&&window.emitEvent)emitEvent('as-theme-chosen',n)};
window.asLanguage=function(n){keep('secretary_language',n);location.reload()};
window.asChosenTheme=function(){return cookie('secretary_theme')||'system'};
media.addEventListener('change',paint);paint();
})();"""


def head_html(assets: Assets) -> str:
    """Shared by all NiceGUI pages."""
    return (
        '<meta name="theme-color" content="#12292E">'
        f"<script>{FIRST_PAINT}</script>"
        f'<link rel="preload" href="{assets.url(TEXT_FONT)}" as="font" type="font/woff2" crossorigin>'
        f'<link rel="preload" href="{assets.url("icons.woff2")}" as="font" type="font/woff2" crossorigin>'
        f'<link rel="stylesheet" href="{assets.url("ui.css")}">'
        f'<script src="{assets.url("ui.js")}" defer></script>'
    )
