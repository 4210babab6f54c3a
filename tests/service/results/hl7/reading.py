"""HL7 v2 read back: fields by number, text without its escapes."""

import re

_ESCAPES = {"F": "|", "S": "^", "T": "&", "R": "~", "E": "\\"}


def unescaped(text):
    def one(match):
        code = match[1]
        return _ESCAPES.get(code) or bytes.fromhex(code[1:]).decode("latin-1")

    return re.sub(r"\\(F|S|T|R|E|X(?:[0-9A-F]{2})+)\\", one, text)


def segments(message, name):
    """The segments of that name, their fields by the numbers of HL7."""
    lines = [line.split("|") for line in message.split("\r") if line.startswith(name)]
    return [["MSH", "|", *fields[1:]] if name == "MSH" else fields for fields in lines]


def field(fields, number):
    return fields[number] if len(fields) > number else ""
