# ruff: noqa: E501 - rules are read as a table, one a line
"""English text for speech: money, times, dates, units, abbreviations, numbers in words."""

from __future__ import annotations

import re

from ai_secretary.voice.normalization.english_numbers import cardinal, digits, number, ordinal, year
from ai_secretary.voice.normalization.links import speak_links
from ai_secretary.voice.normalization.phones import speak_phones

_NUM = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_SCALE = {"k": "thousand", "m": "million", "mn": "million", "b": "billion", "bn": "billion", "thousand": "thousand",
          "million": "million", "billion": "billion", "trillion": "trillion"}  # fmt: skip
_CURRENCY = {
    "$": ("dollar", "dollars", "cent", "cents"), "€": ("euro", "euros", "cent", "cents"), "£": ("pound", "pounds", "penny", "pence"),
    "¥": ("yen", "yen", "", ""), "₽": ("rouble", "roubles", "kopeck", "kopecks"), "USD": ("dollar", "dollars", "cent", "cents"),
    "EUR": ("euro", "euros", "cent", "cents"), "GBP": ("pound", "pounds", "penny", "pence"), "RUB": ("rouble", "roubles", "kopeck", "kopecks"),
}  # fmt: skip
_MONEY_FIRST = re.compile(
    rf"(-|−)?([$€£¥₽])\s?({_NUM})(?:\s?[-–—]\s?[$€£¥₽]?({_NUM}))?(?:\s?(k|m|mn|b|bn|thousand|million|billion|trillion)\b)?",
    re.IGNORECASE,
)
_MONEY_LAST = re.compile(
    rf"(?<![\w.,])(-|−)?({_NUM})(?:\s?[-–—]\s?({_NUM}))?\s?(?:(k|m|mn|bn|thousand|million|billion|trillion)\s)?([€£¥₽$]|USD|EUR|GBP|RUB)(?!\w)"
)
_PER = re.compile(r"(?<=\w)\s?/\s?(mo|month|yr|year|h|hr|hour|day|week|wk|min|minute|s|sec|second|night|person|kg|km|l)\b\.?")
_PER_WORDS = {"mo": "month", "yr": "year", "h": "hour", "hr": "hour", "wk": "week", "min": "minute", "s": "second", "sec": "second",
              "kg": "kilogram", "km": "kilometre", "l": "litre"}  # fmt: skip

_TIME = re.compile(
    r"(?<![\d:.])([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?(?![\d:])(?:\s?([ap])\.?\s?m\b\.?(?=(?-i:(\s+[A-Z]|\s*$)))?)?",
    re.IGNORECASE,
)
_TIME_RANGE = re.compile(r"(\d{1,2}(?::\d\d)?\s?(?:[ap]\.?m\.?)?)\s?[-–—]\s?(?=\d{1,2}(?::\d\d|\s?[ap]\.?m))", re.IGNORECASE)
_HOUR = re.compile(r"(?<![\d:.])(\d{1,2})\s?([ap])\.?\s?m\b(\.?)(?=(?-i:(\s+[A-Z]|\s*$))?)", re.IGNORECASE)

_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_MONTH = "|".join(f"{month[:3]}(?:{month[3:]})?" if len(month) > 3 else month for month in _MONTHS) + "|Sept"
_ISO = re.compile(r"(?<![\d-])((?:19|20)\d\d)-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(?![\d-])")
_MONTH_DAY = re.compile(rf"\b({_MONTH})\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?(?![\d:]|,\d)(?:,?\s+((?:1[5-9]|20)\d\d)\b)?")
_DAY_MONTH = re.compile(rf"(?<![\d.,:/])(\d{{1,2}})(?:st|nd|rd|th)?(?:\s+of)?\s+({_MONTH})\b\.?(?:,?\s+((?:1[5-9]|20)\d\d)\b)?")
_SLASHED = re.compile(r"(?<![\d/])(\d{1,2})/(\d{1,2})/((?:19|20)\d\d|\d\d)(?![\d/])")
_DOTTED = re.compile(r"(?<![\d.])(0?[1-9]|[12]\d|3[01])\.(0[1-9]|1[0-2])\.((?:19|20)\d\d)(?![\d.])")
_YEAR = re.compile(
    r"(?<=\b[Ii]n )(1[5-9]\d\d|20\d\d)\b(?![,.]?\d)|(?<=\b[Ss]ince )(1[5-9]\d\d|20\d\d)\b|(?<=\b[Bb]y )(1[5-9]\d\d|20\d\d)\b(?!\s?%)"
    r"|(?<=\b[Ff]rom )(1[5-9]\d\d|20\d\d)\b(?=\s+(?:to|until))|(?<![\d$€£#.,-])\b(1[5-9]\d\d|20\d\d)\b(?=\s+(?:was|is|were|will|season|edition|Olympics|election))"
)
_DECADE = re.compile(r"\b((?:1[5-9]|20)\d)0'?s\b|['’](\d)0s\b")
_YEAR_RANGE = re.compile(r"(?<![\d.,-])(1[5-9]\d\d|20\d\d)\s?[-–—]\s?(1[5-9]\d\d|20\d\d)(?![\d.,-]\d)")

_UNITS = {
    "km/h": ("kilometre per hour", "kilometres per hour"), "mph": ("mile per hour", "miles per hour"), "m/s": ("metre per second", "metres per second"),
    "kg": ("kilogram", "kilograms"), "g": ("gram", "grams"), "mg": ("milligram", "milligrams"), "lb": ("pound", "pounds"), "lbs": ("pound", "pounds"),
    "oz": ("ounce", "ounces"), "km": ("kilometre", "kilometres"), "m": ("metre", "metres"), "cm": ("centimetre", "centimetres"),
    "mm": ("millimetre", "millimetres"), "mi": ("mile", "miles"), "ft": ("foot", "feet"), "l": ("litre", "litres"), "ml": ("millilitre", "millilitres"),
    "GB": ("gigabyte", "gigabytes"), "MB": ("megabyte", "megabytes"), "KB": ("kilobyte", "kilobytes"), "TB": ("terabyte", "terabytes"),
    "Gb": ("gigabit", "gigabits"), "Mb": ("megabit", "megabits"), "Mbps": ("megabit per second", "megabits per second"),
    "GHz": ("gigahertz", "gigahertz"), "MHz": ("megahertz", "megahertz"), "kHz": ("kilohertz", "kilohertz"), "Hz": ("hertz", "hertz"),
    "W": ("watt", "watts"), "kW": ("kilowatt", "kilowatts"), "V": ("volt", "volts"), "°C": ("degree Celsius", "degrees Celsius"),
    "°F": ("degree Fahrenheit", "degrees Fahrenheit"), "°": ("degree", "degrees"), "m²": ("square metre", "square metres"),
    "km²": ("square kilometre", "square kilometres"), "m³": ("cubic metre", "cubic metres"), "h": ("hour", "hours"), "hrs": ("hour", "hours"),
    "hr": ("hour", "hours"), "min": ("minute", "minutes"), "mins": ("minute", "minutes"), "sec": ("second", "seconds"), "ms": ("millisecond", "milliseconds"),
    "pcs": ("piece", "pieces"), "px": ("pixel", "pixels"), "%": ("percent", "percent"),
}  # fmt: skip
_UNIT = re.compile(
    rf"(?<![\w.,])([-−+])?({_NUM})(?:\s?[-–—]\s?({_NUM}))?\s?({'|'.join(sorted(map(re.escape, _UNITS), key=len, reverse=True))})(?![\w²³])"
)
_ORDINAL = re.compile(r"(?<![\w.])(\d{1,3}(?:,\d{3})+|\d+)(?:st|nd|rd|th)\b", re.IGNORECASE)
_ROMAN_AFTER = re.compile(
    r"\b((?:[Cc]hapter|[Pp]art|[Vv]olume|[Ss]ection|[Aa]ct|[Ss]cene|[Ww]orld War|[Ww]ar|[Pp]hase|[Tt]ype|[Ll]evel|[Bb]ook)\s+)([IVXLC]+)\b"
)
_ROMAN_KING = re.compile(
    r"\b((?:King|Queen|Pope|Henry|Louis|Elizabeth|Charles|George|Edward|William|James|Peter|Catherine|Richard|John Paul|Alexander|Nicholas)(?:\s+[A-Z][a-z]+)?\s+)([IVX]{1,5})\b"
)
_CODE = re.compile(
    r"\b((?:code|pin|otp|passcode|password|card|account|tracking|ssn|zip|id)(?:\s+(?:number|code|is|no\.?))*[\s:#]+)(\d[\d -]{2,30}\d)(?![\d.,]*\d)(?!\s?[%$€£])",
    re.IGNORECASE,
)
_CARD = re.compile(r"(?<![\d-])\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?![\d-])")
_LEADING_ZERO = re.compile(r"(?<![\d.,:/-])0\d+(?![\d]|[.,:/-]\d)")
_LONG = re.compile(r"(?<![\d.,:])\d{10,}(?![.,:]?\d)")
_VERSION = re.compile(r"(?<![\w.])v?(\d+(?:\.\d+){2,})(?![\w.]*\d)")
_FRACTION = re.compile(r"(?<![\d/.,])(?:(\d{1,3})\s)?(\d{1,2})/(\d{1,3})(?![\d/])")
_VULGAR = {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3", "⅛": "1/8", "⅕": "1/5"}
_RANGE = re.compile(rf"(?<![\w.,:/-])({_NUM})\s?[-–—]\s?({_NUM})(?![\d]|[.,:/-]\d|[-–—]\s?\d|-?[A-Za-z])")
_SIGNED = re.compile(rf"(?<![\w.)\]-])[-−]\s?({_NUM})(?![\w])")
_PLAIN = re.compile(rf"(?<![\w])({_NUM})(?![\w]*\d)")
_ALNUM = re.compile(r"(?<=[A-Za-z])-?(?=\d)|(?<=\d)-?(?=[A-Za-z])")
_LETTERS_DASH = re.compile(r"(?<=[A-Z])-(?=\d)")
_HASH = re.compile(r"#\s?(?=\d)|\bNo\.\s?(?=\d)|№\s?")

_ABBREVIATIONS = [
    (re.compile(pattern), spoken)
    for pattern, spoken in (
        (r"\bMr\.?(?=\s+(?:[A-Z]|and\b))", "Mister"), (r"\b911\b", "nine one one"), (r"\b999\b(?!\s?[%\w])", "nine nine nine"), (r"\bMrs\.?(?=\s+[A-Z])", "Missus"), (r"\bMs\.(?=\s+[A-Z])", "Miz"), (r"\bProf\.(?=\s+[A-Z])", "Professor"),
        (r"\bDr\.?(?=\s+[A-Z])", "Doctor"), (r"(?<=[a-z] )Dr\.", "Drive"), (r"\bSt\.(?=\s+[A-Z])", "Saint"), (r"(?<=[a-z] )St\.?(?=\W|$)", "Street"),
        (r"\bAve\.?(?=\W|$)", "Avenue"), (r"\bBlvd\.?", "Boulevard"), (r"\bRd\.", "Road"), (r"\bApt\.?(?=\s?\d)", "apartment"), (r"\bSte\.(?=\s?\d)", "suite"),
        (r"\bInc\.", "Incorporated"), (r"\bLtd\.?", "Limited"), (r"\bCo\.(?=\W|$)", "Company"), (r"\bCorp\.", "Corporation"), (r"\bDept\.", "Department"),
        (r"\be\.\s?g\.,?", "for example,"), (r"\bi\.\s?e\.,?", "that is,"), (r"\betc\.(?=\s+[a-z,])", "et cetera"), (r"\betc\.", "et cetera."),
        (r"\bvs\.?(?=\s)", "versus"), (r"\bapprox\.", "approximately"), (r"\best\.(?=\s?\d)", "established"), (r"\bJr\.", "Junior"), (r"\bSr\.", "Senior"),
        (r"\bGen\.(?=\s+[A-Z])", "General"), (r"\bCapt\.", "Captain"), (r"\bSgt\.", "Sergeant"), (r"\bLt\.(?=\s+[A-Z])", "Lieutenant"), (r"\bp\.(?=\s?\d)", "page"),
        (r"\bpp\.(?=\s?\d)", "pages"), (r"\bext\.?(?=\s?\d)", "extension"), (r"\btel\.:?(?=\s)", "telephone"), (r"\bFig\.", "figure"), (r"\bvol\.", "volume"),
        (r"\ba\.k\.a\.", "also known as"), (r"\bw/o\b", "without"), (r"\bw/(?=\s)", "with"), (r"\b24/7\b", "twenty-four seven"), (r"\bASAP\b", "as soon as possible"),
        (r"\band/or\b", "and or"), (r"\bN/A\b", "not available"), (r"\bU\.S\.A\.|\bU\.S\.", "U S"), (r"\bU\.K\.", "U K"), (r"\bPh\.?D\.?", "P H D"),
        (r"\bSMS\b", "S M S"), (r"\bWi-Fi\b|\bWiFi\b", "Wi-Fi"), (r"\bOK\b", "okay"), (r"\bO\.K\.", "okay"), (r"\bmin\.(?=\s|$)", "minutes"),
    )
]  # fmt: skip
_ACRONYM = re.compile(r"(?<![A-Za-z])([A-Z]{2,5})(s?)(?![A-Za-z])")
_SHOUTED = frozenset(
    [
        "A",
        "ACT",
        "ADD",
        "AGO",
        "ALL",
        "AND",
        "ANY",
        "ARE",
        "ASK",
        "AT",
        "BAD",
        "BE",
        "BIG",
        "BUT",
        "BUY",
        "BY",
        "CALL",
        "CAN",
        "DAY",
        "DO",
        "EASY",
        "END",
        "EVEN",
        "FOR",
        "FREE",
        "FROM",
        "FULL",
        "GET",
        "GO",
        "GOOD",
        "GREAT",
        "HAD",
        "HAS",
        "HAVE",
        "HE",
        "HELLO",
        "HER",
        "HERE",
        "HIM",
        "HIS",
        "HOT",
        "HOW",
        "IF",
        "IN",
        "IS",
        "ITS",
        "JUST",
        "KEEP",
        "LAST",
        "LET",
        "LIKE",
        "LONG",
        "LOOK",
        "LOVE",
        "MAIN",
        "MAKE",
        "MAY",
        "ME",
        "MORE",
        "MOST",
        "MUST",
        "MY",
        "NEED",
        "NEVER",
        "NEW",
        "NEXT",
        "NO",
        "NOT",
        "NOTE",
        "NOW",
        "OF",
        "OFF",
        "OLD",
        "ON",
        "ONE",
        "ONLY",
        "OPEN",
        "OR",
        "OUR",
        "OUT",
        "OVER",
        "OWN",
        "PAY",
        "PER",
        "PLEASE",
        "PUT",
        "READ",
        "RUN",
        "SALE",
        "SAME",
        "SAY",
        "SEE",
        "SET",
        "SHE",
        "SHOP",
        "SHOW",
        "SO",
        "SOME",
        "STAY",
        "STOP",
        "TAKE",
        "TELL",
        "TEXT",
        "THAN",
        "THAT",
        "THE",
        "THEM",
        "THEN",
        "THEY",
        "THIS",
        "TIME",
        "TO",
        "TODAY",
        "TOO",
        "TOP",
        "TRY",
        "TWO",
        "UP",
        "USE",
        "VERY",
        "WAIT",
        "WAS",
        "WAY",
        "WE",
        "WELL",
        "WENT",
        "WERE",
        "WHAT",
        "WHEN",
        "WHERE",
        "WHO",
        "WHY",
        "WILL",
        "WITH",
        "WORK",
        "YES",
        "YET",
        "YOU",
        "YOUR",
        "ABOUT",
        "AFTER",
        "AGAIN",
        "ALSO",
        "FIRST",
        "OTHER",
        "RIGHT",
        "THERE",
        "THESE",
        "THINK",
        "THREE",
        "WHICH",
        "WOULD",
    ]
)
_AS_WORDS = frozenset(
    [
        "NASA",
        "NATO",
        "UNESCO",
        "UNICEF",
        "OPEC",
        "AIDS",
        "RADAR",
        "LASER",
        "SCUBA",
        "SWAT",
        "RAM",
        "ROM",
        "SIM",
        "PIN",
        "GIF",
        "LAN",
        "WAN",
        "NAFTA",
        "COVID",
        "ZIP",
        "MOMA",
        "FIFA",
        "UEFA",
        "IKEA",
        "LEGO",
        "VISA",
    ]
)
_TO_LATIN = dict(
    zip(
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
        [
            "a",
            "b",
            "v",
            "g",
            "d",
            "e",
            "yo",
            "zh",
            "z",
            "i",
            "y",
            "k",
            "l",
            "m",
            "n",
            "o",
            "p",
            "r",
            "s",
            "t",
            "u",
            "f",
            "kh",
            "ts",
            "ch",
            "sh",
            "shch",
            "",
            "y",
            "",
            "e",
            "yu",
            "ya",
        ],
        strict=True,
    )
)
_CYRILLIC = re.compile(r"[А-Яа-яЁё]+")
_SIGNS = (
    ("&", " and "), ("@", " at "), ("+", " plus "), ("=", " equals "), ("%", " percent "), ("©", " "), ("®", " "), ("™", " "), ("×", " times "),
    ("÷", " divided by "), ("≈", " about "), ("~", " about "), ("±", " plus or minus "), ("/", " "), ("\\", " "), ("_", " "), ("#", " "), ("*", " "),
    ("^", " "), ("|", " "), ("<", " "), (">", " "), ("{", " "), ("}", " "), ("[", ", "), ("]", ", "), ("(", ", "), (")", ", "), ("•", ", "), ("·", " "),
    ("−", " minus "), ("§", " section "), ("°", " degrees "), ("№", " number "), ("₽", " roubles "), ("$", " dollars "), ("€", " euros "), ("£", " pounds "),
)  # fmt: skip
_QUOTES = re.compile("[\"«»“”„‟‹›`]|(?<!\\w)['’‘]|['’‘](?!\\w)")
_MARKS = re.compile(r"\s*([,;:])(?:\s*[,;:])+\s*|\s+([,;:.!?…])")
_MARK_THEN_END = re.compile(r"[,;:](?=\s*[.!?…])")
_START = re.compile(r"^[\s,;:.!?…—–-]+")
_SPACES = re.compile(r"\s{2,}")


def read_aloud(text: str) -> str:
    """`text` (plain prose) in words; Cyrillic words are written in Latin letters."""
    text = text.replace("\u0301", "").replace("\u0300", "").replace("’", "'")
    text = speak_links(text, "en")
    text = _CARD.sub(lambda match: ", ".join(digits(part) for part in re.findall(r"\d+", match[0])), text)
    text = _CODE.sub(lambda match: match[1] + ", ".join(digits(part) for part in re.findall(r"\d+", match[2])), text)
    text = speak_phones(text, "en")
    for written, fraction in _VULGAR.items():
        text = text.replace(written, f" {fraction}") if written in text else text
    for pattern, spoken in _ABBREVIATIONS:
        text = pattern.sub(spoken, text)
    text = _times(text)
    text = _dates(text)
    text = _money(text)
    text = _amounts(text)
    text = _PER.sub(lambda match: f" per {_PER_WORDS.get(match[1], match[1])}", text)
    text = _ACRONYM.sub(_acronym, text)
    text = _CYRILLIC.sub(_latin, text)
    return _finish(text)


def _times(text: str) -> str:
    def time(match: re.Match[str]) -> str:
        hour, minute, second = int(match[1]), int(match[2]), match[3]
        spoken = cardinal(hour)
        if minute:
            spoken += f" oh {cardinal(minute)}" if minute < 10 else f" {cardinal(minute)}"
        elif match[4] is None:
            spoken += " o'clock" if 0 < hour <= 12 else " hundred hours"
        if second:
            spoken += f" and {cardinal(int(second))} seconds"
        return spoken + _half(match[4], match[0], match[5])

    text = _TIME_RANGE.sub(r"\1 to ", text)
    text = _TIME.sub(time, text)
    return _HOUR.sub(lambda match: cardinal(int(match[1])) + _half(match[2], match[0], match[4]), text)


def _half(letter: str | None, written: str, ends: str | None) -> str:
    if letter is None:
        return ""
    return f" {letter.upper()} M" + ("." if written.rstrip().endswith(".") and ends is not None else "")


def _dates(text: str) -> str:
    def full(day: int, month: int, year_number: str | None) -> str:
        spoken = f"{_MONTHS[month - 1]} {ordinal(day)}"
        return f"{spoken}, {year(int(year_number))}" if year_number else spoken

    def named(day: str, month: str, year_number: str | None, written: str) -> str:
        index = next(i for i, name in enumerate(_MONTHS) if name[:3] == month[:3])
        return full(int(day), index + 1, year_number) if 0 < int(day) <= 31 else written

    def slashed(match: re.Match[str]) -> str:
        first, second = int(match[1]), int(match[2])
        month, day = (second, first) if first > 12 else (first, second)
        if not (1 <= month <= 12 and 1 <= day <= 31):
            return match[0]
        return full(day, month, match[3] if len(match[3]) == 4 else f"20{match[3]}")

    text = _ISO.sub(lambda match: full(int(match[3]), int(match[2]), match[1]), text)
    text = _SLASHED.sub(slashed, text)
    text = _DOTTED.sub(lambda match: full(int(match[1]), int(match[2]), match[3]), text)
    text = _DAY_MONTH.sub(lambda match: named(match[1], match[2], match[3], match[0]), text)
    text = _MONTH_DAY.sub(lambda match: named(match[2], match[1], match[3], match[0]), text)
    text = _YEAR_RANGE.sub(
        lambda match: f"{year(int(match[1]))} to {year(int(match[2]))}" if match[1] < match[2] else match[0], text
    )
    text = _DECADE.sub(_decade, text)
    return _YEAR.sub(lambda match: year(int(match[0])), text)


def _decade(match: re.Match[str]) -> str:
    if match[2] is not None:
        return _tens(int(match[2]))
    century, ten = divmod(int(match[1]), 10)
    if ten == 0:
        return f"{cardinal(century * 100)}s" if century % 10 == 0 else f"{cardinal(century)} hundreds"
    return f"{cardinal(century)} {_tens(ten)}"


def _tens(ten: int) -> str:
    return "tens" if ten == 1 else cardinal(ten * 10).removesuffix("y") + "ies"


def _money(text: str) -> str:
    def spoken(minus: str | None, low: str, high: str | None, scale: str | None, currency: str) -> str:
        one, many, cent, cents = _CURRENCY[currency]
        sign = "minus " if minus else ""
        if high or scale:
            amount = f"{number(low)} to {number(high)}" if high else number(low)
            return f"{sign}{amount}{' ' + _SCALE[scale.lower()] if scale else ''} {many}"
        whole, _, fraction = low.replace(",", "").partition(".")
        parts = int(fraction.ljust(2, "0")[:2]) if fraction and len(fraction) <= 2 else 0
        if fraction and (len(fraction) > 2 or not cent):
            return f"{sign}{number(low)} {many}"
        units = f"{cardinal(int(whole))} {one if int(whole) == 1 else many}"
        small = f"{cardinal(parts)} {cent if parts == 1 else cents}"
        if parts and int(whole) == 0:
            return sign + small
        return f"{sign}{units} and {small}" if parts else sign + units

    text = _MONEY_FIRST.sub(lambda match: spoken(match[1], match[3], match[4], match[5], match[2]), text)
    return _MONEY_LAST.sub(lambda match: spoken(match[1], match[2], match[3], match[4], match[5]), text)


def _amounts(text: str) -> str:
    def unit(match: re.Match[str]) -> str:
        one, many = _UNITS[match[4]]
        amount = f"{number(match[2])} to {number(match[3])}" if match[3] else number(match[2])
        sign = {"-": "minus ", "−": "minus ", "+": "plus "}.get(match[1] or "", "")
        return f"{sign}{amount} {one if match[2] == '1' and not match[3] else many}"

    def fraction(match: re.Match[str]) -> str:
        top, bottom = int(match[2]), int(match[3])
        if bottom == 0 or top >= bottom:
            return match[0]
        name = {2: "half", 4: "quarter"}.get(bottom) or ordinal(bottom)
        plural = "halves" if bottom == 2 else f"{name}s"
        part = f"{'a' if match[1] else 'one'} {name}" if top == 1 else f"{cardinal(top)} {plural}"
        return f"{cardinal(int(match[1]))} and {part}" if match[1] else part

    text = _ROMAN_AFTER.sub(lambda match: match[1] + cardinal(_roman(match[2])), text)
    text = _ROMAN_KING.sub(lambda match: f"{match[1]}the {ordinal(_roman(match[2]))}", text)
    text = _HASH.sub("number ", text)
    text = _VERSION.sub(lambda match: " dot ".join(cardinal(int(part)) for part in match[1].split(".")), text)
    text = _FRACTION.sub(fraction, text)
    text = _UNIT.sub(unit, text)
    text = _ORDINAL.sub(lambda match: ordinal(int(match[1].replace(",", ""))), text)
    text = _LEADING_ZERO.sub(lambda match: digits(match[0]), text)
    text = _LONG.sub(lambda match: digits(match[0]), text)
    text = _RANGE.sub(lambda match: f"{number(match[1])} to {number(match[2])}", text)
    text = _LETTERS_DASH.sub(" ", text)
    text = _SIGNED.sub(lambda match: f"minus {number(match[1])}", text)
    text = _PLAIN.sub(lambda match: number(match[1]), text)
    text = _ALNUM.sub(" ", text)
    return re.sub(r"\d+", lambda match: cardinal(int(match[0])) if len(match[0]) < 10 else digits(match[0]), text)


def _roman(written: str) -> int:
    values = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}
    total = 0
    for letter, after in zip(written, [*written[1:], ""], strict=True):
        value = values[letter]
        total += -value if after and values[after] > value else value
    return total


def _acronym(match: re.Match[str]) -> str:
    word, plural = match[1], match[2]
    if word in _SHOUTED and not plural:
        return word.lower()
    if word in _AS_WORDS or (len(word) > 4 and re.search("[AEIOU]", word)):
        return word.capitalize() + plural
    return " ".join(word) + ("'s" if plural else "")


def _latin(match: re.Match[str]) -> str:
    word = match[0]
    spelt = "".join(_TO_LATIN[letter] for letter in word.lower())
    return spelt.capitalize() if word[0].isupper() else spelt


def _finish(text: str) -> str:
    text = _QUOTES.sub("", text)
    for sign, spoken in _SIGNS:
        if sign in text:
            text = text.replace(sign, spoken)
    text = _SPACES.sub(" ", text)
    text = _MARKS.sub(lambda match: match[2] or f"{match[1]} ", text)
    text = _MARK_THEN_END.sub("", text)
    return _START.sub("", _SPACES.sub(" ", text)).strip().rstrip(",;:—– ")
