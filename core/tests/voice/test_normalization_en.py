"""What an English voice says for what people and models write."""

from __future__ import annotations

import pytest

from ai_secretary.voice.normalization import normalise

GOLDEN = [
    ("Dr. Smith pays $3.50 at 5 p.m.", "Doctor Smith pays three dollars and fifty cents at five P M."),
    ("We meet at 5 p.m. and talk", "We meet at five P M and talk"),
    ("We meet at 5 p.m. Then we go.", "We meet at five P M. Then we go."),
    ("1st, 22nd and 103rd", "first, twenty-second and one hundred and third"),
    ("2024 was great", "twenty twenty-four was great"),
    ("in 1999", "in nineteen ninety-nine"),
    ("the 1990s and '80s", "the nineteen nineties and eighties"),
    ("1914-1918", "nineteen fourteen to nineteen eighteen"),
    ("$1,234.56", "one thousand two hundred and thirty-four dollars and fifty-six cents"),
    ("$1", "one dollar"),
    ("$0.99", "ninety-nine cents"),
    ("€5, £1.50", "five euros, one pound and fifty pence"),
    ("$5-10 per item", "five to ten dollars per item"),
    ("$1.5 million", "one point five million dollars"),
    ("$5k", "five thousand dollars"),
    ("100 USD", "one hundred dollars"),
    ("Call +1 212 555 0123", "Call plus one, two one two, five five five, zero one, two three"),
    ("Dial 911", "Dial nine one one"),
    ("Mr. and Mrs. Brown", "Mister and Missus Brown"),
    ("12 Baker St.", "twelve Baker Street"),
    ("St. Paul", "Saint Paul"),
    ("05/06/24", "May sixth, twenty twenty-four"),
    ("2024-05-12", "May twelfth, twenty twenty-four"),
    ("May 12, 2024", "May twelfth, twenty twenty-four"),
    ("3 March", "March third"),
    ("at 9:05 am", "at nine oh five A M"),
    ("10:00", "ten o'clock"),
    ("14:30", "fourteen thirty"),
    ("9:00-17:30", "nine o'clock to seventeen thirty"),
    ("25% off", "twenty-five percent off"),
    ("5°C, -10 °F", "five degrees Celsius, minus ten degrees Fahrenheit"),
    ("3.14", "three point one four"),
    ("1,000,000", "one million"),
    ("3/4 cup", "three quarters cup"),
    ("1 1/2 cups", "one and a half cups"),
    ("½", "one half"),
    ("10–15 minutes", "ten to fifteen minutes"),
    ("1 kg, 5 kg", "one kilogram, five kilograms"),
    ("60 km/h", "sixty kilometres per hour"),
    ("16 GB", "sixteen gigabytes"),
    ("https://example.com/x?y=1.", "link to example dot com."),
    ("a.b@mail.ru", "a dot b at mail dot ru"),
    ("FBI, API, NASA, STOP", "F B I, A P I, Nasa, stop"),
    ("World War II", "World War two"),
    ("Henry VIII", "Henry the eighth"),
    ("Chapter IV", "Chapter four"),
    ("Your code is 0472", "Your code is zero four seven two"),
    ("Version 2.0.1", "Version two dot zero dot one"),
    ("GPT-4", "G P T four"),
    ("Room 101, #5, No. 7", "Room one hundred and one, number five, number seven"),
    ("and/or, 24/7", "and or, twenty-four seven"),
    ("e.g. apples, i.e. fruit", "for example, apples, that is, fruit"),
    ("It's John's, don't", "It's John's, don't"),
    ("Привет, Иван!", "Privet, Ivan!"),
    ("Hello 😊 **world**", "Hello world"),
    ("7 + 3 = 10", "seven plus three equals ten"),
    ('"Quoted" <b>text</b> &amp; more', "Quoted text and more"),
    ("```\ncode\n```", "Code omitted."),
    ("007", "zero zero seven"),
    ("-5", "minus five"),
    ("", ""),
    ("***", ""),
]  # fmt: skip


@pytest.mark.parametrize(("written", "spoken"), GOLDEN, ids=[item[0][:40] for item in GOLDEN])
def test_reads_aloud(written: str, spoken: str) -> None:
    assert normalise(written, "en") == spoken


def test_there_are_enough_golden_texts() -> None:
    assert len(GOLDEN) >= 50
