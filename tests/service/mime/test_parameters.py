"""Rules of header values with parameters."""

import time

import pytest

from service.mime.parameters import parse_header


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ('form-data; name="file"; filename="a;b.png"', {"name": "file", "filename": "a;b.png"}),
        (r'form-data; NAME=file; filename="a\"b\\.png"', {"name": "file", "filename": r'a"b\.png'}),
        ("form-data; name=file; filename*=UTF-8''%C3%A9.png", {"name": "file", "filename": "é.png"}),
        ("form-data; name=file; filename*=iso-8859-1'en'%E9.png", {"name": "file", "filename": "é.png"}),
        ("form-data; name=file; filename*=utf-8''b.png; filename=a.png", {"name": "file", "filename": "a.png"}),
        ("form-data; name=file; filename*=punycode''a", {"name": "file"}),
        ("form-data; name=file; filename*=utf-8''%E9", {"name": "file"}),
        ("form-data ; name = file ;;; x", {"name": "file"}),
        ("form-data; name=file; name=other", {"name": "file"}),
        ('form-data; name="open', {"name": ""}),
        ("form-data", {}),
        ("", {}),
    ],
)
def test_parameters_are_read_as_senders_write_them(text, parameters) -> None:
    parsed = parse_header(text)

    assert parsed.parameters == parameters
    assert parsed.value == text.partition(";")[0].strip().lower()


@pytest.mark.parametrize("unit", [";", "; ", ';a="', ";a=", 'a="\\"', "; a*", " ", ';a="\\";'])
def test_a_long_value_takes_linear_time(unit) -> None:
    def seconds(length):
        text = "multipart/related" + unit * (length // len(unit))
        start = time.thread_time()
        parse_header(text)
        return time.thread_time() - start

    assert seconds(1_000_000) < 3  # 300 kB took 5 s, and more the square of it
    assert seconds(250_000) < 1
