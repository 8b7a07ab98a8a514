# ruff: noqa: E501 - rules are read as a table, one a line
"""Latin words inside Russian: brands and terms as Russians say them, the rest by sound or by letters."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import Any

# What the pronunciation dictionary gets wrong or does not know. Keys in lower case.
_KNOWN = {
    "iphone": "айфон", "ipad": "айпад", "macbook": "макбук", "imac": "аймак", "ios": "ай о эс", "macos": "мак о эс",
    "apple": "эпл", "google": "гугл", "gmail": "джимейл", "youtube": "ютуб", "android": "андроид", "windows": "виндоус",
    "linux": "линукс", "microsoft": "майкрософт", "office": "офис", "excel": "эксель", "word": "ворд", "outlook": "аутлук",
    "teams": "тимс", "zoom": "зум", "skype": "скайп", "telegram": "телеграм", "whatsapp": "вотсап", "viber": "вайбер",
    "instagram": "инстаграм", "facebook": "фейсбук", "vk": "вэ ка", "tiktok": "тикток", "github": "гитхаб", "gitlab": "гитлаб",
    "yandex": "яндекс", "mail": "мэйл", "rambler": "рамблер", "sber": "сбер", "ozon": "озон", "wildberries": "вайлдберриз",
    "avito": "авито", "samsung": "самсунг", "xiaomi": "сяоми", "huawei": "хуавэй", "sony": "сони", "pro": "про", "max": "макс",
    "mini": "мини", "plus": "плюс", "ultra": "ультра", "lite": "лайт", "premium": "премиум", "wi-fi": "вай-фай", "wifi": "вай-фай",
    "bluetooth": "блютуз", "usb": "ю эс би", "qr": "кью ар", "sms": "эс эм эс", "pdf": "пэ дэ эф", "gps": "джи пи эс",
    "sim": "сим", "pin": "пин", "pin-код": "пин-код", "vip": "вип", "ok": "окей", "online": "онлайн", "offline": "офлайн",
    "email": "имейл", "e-mail": "имейл", "chatgpt": "чат джи пи ти", "gpt": "джи пи ти", "openai": "оупен эй ай", "api": "эй пи ай",
    "crm": "си эр эм", "erp": "и ар пи", "seo": "сео", "hr": "эйч ар", "it": "ай ти", "ai": "эй ай", "pr": "пиар", "tv": "ти ви",
    "visa": "виза", "mastercard": "мастеркард", "paypal": "пэйпал", "bitrix": "битрикс", "amocrm": "амо си эр эм",
    "docker": "докер", "python": "пайтон", "java": "джава", "javascript": "джаваскрипт", "html": "эйч ти эм эл", "css": "си эс эс",
    "json": "джейсон", "sql": "эс кью эл", "http": "эйч ти ти пи", "https": "эйч ти ти пи эс", "url": "ю ар эл", "ip": "ай пи",
    "vpn": "вэ пэ эн", "cpu": "си пи ю", "gpu": "джи пи ю", "ram": "рам", "ssd": "эс эс дэ", "hdd": "аш дэ дэ", "cd": "си ди",
    "dvd": "ди ви ди", "led": "лед", "lte": "эл тэ е", "gsm": "джи эс эм", "nfc": "эн эф си", "id": "ай ди", "faq": "фак",
    "settings": "сеттингс", "cookie": "куки", "cookies": "куки", "login": "логин", "admin": "админ", "support": "саппорт",
    "sale": "сейл", "info": "инфо", "hotel": "хотел", "shop": "шоп", "store": "стор", "test": "тест", "news": "ньюс",
    "example": "икзампл", "company": "компани", "hello": "хеллоу", "world": "ворлд", "covid": "ковид", "piper": "пайпер",
    "whisper": "виспер", "vosk": "воск", "secretary": "секретари", "ctrl": "контрол", "alt": "альт", "shift": "шифт", "enter": "энтер",
    "esc": "эскейп", "tab": "таб", "delete": "делит", "bmw": "бэ эм вэ", "toyota": "тойота", "audi": "ауди", "kia": "киа",
    "lada": "лада", "ikea": "икея", "nike": "найк", "adidas": "адидас", "netflix": "нетфликс", "spotify": "спотифай",
    "steam": "стим", "playstation": "плейстейшен", "xbox": "иксбокс", "nvidia": "энвидиа", "intel": "интел", "amd": "эй эм ди",
}  # fmt: skip

_LETTERS = {
    "a": "эй", "b": "би", "c": "си", "d": "ди", "e": "и", "f": "эф", "g": "джи", "h": "эйч", "i": "ай", "j": "джей", "k": "кей",
    "l": "эл", "m": "эм", "n": "эн", "o": "о", "p": "пи", "q": "кью", "r": "ар", "s": "эс", "t": "ти", "u": "ю", "v": "ви",
    "w": "дабл ю", "x": "икс", "y": "уай", "z": "зет",
}  # fmt: skip
_WORD = re.compile(r"[A-Za-zÀ-ɏ]+(?:['’][A-Za-z]+)?(?:-(?:fi|mail))?", re.IGNORECASE)
_CAMEL = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+|[A-Z]")
_VOWEL = re.compile(r"[aeiouy]", re.IGNORECASE)

# Letter groups first, then single letters; good enough for names that no dictionary knows.
_GROUPS = (
    ("tion", "шен"), ("sch", "ш"), ("tch", "тч"), ("igh", "ай"), ("ough", "о"), ("sh", "ш"), ("ch", "ч"), ("zh", "ж"), ("kh", "х"),
    ("th", "т"), ("ph", "ф"), ("ck", "к"), ("qu", "кв"), ("oo", "у"), ("ee", "и"), ("ea", "и"), ("ou", "ау"), ("ow", "оу"),
    ("ai", "эй"), ("ay", "эй"), ("ei", "ей"), ("ey", "ей"), ("ya", "я"), ("yu", "ю"), ("yo", "ё"), ("ts", "ц"), ("wh", "в"), ("kn", "н"),
)  # fmt: skip
_SINGLE = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz",
        [
            "а",
            "б",
            "к",
            "д",
            "е",
            "ф",
            "г",
            "х",
            "и",
            "дж",
            "к",
            "л",
            "м",
            "н",
            "о",
            "п",
            "к",
            "р",
            "с",
            "т",
            "у",
            "в",
            "в",
            "кс",
            "и",
            "з",
        ],
        strict=True,
    )
)


def known(word: str) -> str | None:
    return _KNOWN.get(word.lower())


def spell_latin(letters: str) -> str:
    """`GPT` → `джи пи ти`."""
    return " ".join(_LETTERS[letter] for letter in letters.lower() if letter in _LETTERS)


@lru_cache(maxsize=4096)
def transliterate(word: str) -> str:
    """By sound, roughly: for names outside every dictionary."""
    lower = word.lower()
    if lower.endswith("e") and len(lower) > 3 and _VOWEL.search(lower[:-1]):
        lower = lower[:-1]
    out: list[str] = []
    index = 0
    while index < len(lower):
        for group, sound in _GROUPS:
            if lower.startswith(group, index):
                out.append(sound)
                index += len(group)
                break
        else:
            letter = lower[index]
            if letter == "c" and lower[index + 1 : index + 2] in ("e", "i", "y"):
                out.append("с")
            elif letter == "e" and index == 0:
                out.append("э")
            else:
                out.append(_SINGLE.get(letter, ""))
            index += 1
    return "".join(out)


@lru_cache(maxsize=4096)
def in_russian(word: str) -> str:
    """One Latin word in Cyrillic: the list above, a pronunciation dictionary, letters for acronyms, rules for the rest."""
    listed = _KNOWN.get(word.lower())
    if listed is not None:
        return listed
    if not word.isascii():
        # Café, Müller: letters without their marks sound near enough.
        word = unicodedata.normalize("NFKD", word.replace("ß", "ss").replace("æ", "ae").replace("ø", "o"))
        word = word.encode("ascii", "ignore").decode()
    if len(word) == 1 or (word.isupper() and (len(word) <= 3 or not _VOWEL.search(word))) or not _VOWEL.search(word):
        return spell_latin(word)
    parts = _CAMEL.findall(word)
    if len(parts) > 1 and "".join(parts) == word and not word.isupper():
        return " ".join(in_russian(part) for part in parts)
    return _by_pronunciation(word.lower()) or transliterate(word)


def _by_pronunciation(word: str) -> str | None:
    spoken = str(_reader().run_stage("latinization", word)).strip().lower()
    return spoken if spoken and not _WORD.search(spoken) else None


@cache
def _reader() -> Any:
    from ru_normalizr import NormalizeOptions, Normalizer

    return Normalizer(NormalizeOptions.safe(enable_latinization=True, latinization_backend="ipa"))


def russify(text: str) -> str:
    """Every Latin word of `text` in Cyrillic."""
    return _WORD.sub(lambda match: in_russian(match[0]), text)
