"""Which words and codes name a chest."""

import pytest
from pydicom.sr.codedict import codes

from imaging.dicom.header.body_parts import part_of_code, part_of_words


@pytest.mark.parametrize(
    "words",
    [
        *(
            "CHEST",
            "chest",
            "PORT CHEST",
            "CHEST_PA",
            "CHESTROUTINE",
            "THORAX",
            "THORAX AP",
            "TORAX",
            "Tórax",
            "TORACE",
        ),
        *("LUNG", "LUNGS", "LUNGE", "PULMONES", "POUMON", "POLMONI", "BRUSTKORB", "BRÖSTKORG", "KLATKA PIERSIOWA"),
        *("HRUDNIK", "MELLKAS", "GÖĞÜS", "TORAKS", "CXR"),
    ],
)
def test_a_chest_is_a_chest_in_several_languages(words) -> None:
    assert part_of_words(words) == "chest"


@pytest.mark.parametrize(
    "words",
    [
        *("HIP", "TIBIA", "FEMUR", "HAND", "SKULL", "ABDOMEN", "RIBS", "RIB", "STERNUM", "CLAVICLE", "BREAST", "HEART"),
        *(
            "TSPINE",
            "THORACIC SPINE",
            "THORACOLUMBAR",
            "CHEST RIBS",
            "CHESTABDOMEN",
            "CHEST_ABD",
            "NECKCHEST",
            "BABYGRAM",
        ),
        *("Fehlstellung", "WHOLEBODY", "QUADRIL", "HÜFTE", "胸部"),
    ],
)
def test_another_part_more_than_a_chest_or_a_part_of_it_is_another_part(words) -> None:
    assert part_of_words(words) == "other"


@pytest.mark.parametrize("words", ["", "  ", "UNKNOWN", "N/A", "?", "0000", "Not Specified", "DEFAULT"])
def test_what_stands_in_the_place_of_a_value_states_nothing(words) -> None:
    assert part_of_words(words) is None


CHESTS = {"Chest"}


@pytest.mark.parametrize("name", codes.cid4031.dir())
def test_of_the_regions_of_cid_4031_the_chest_alone_is_a_chest(name) -> None:
    code = getattr(codes.cid4031, name)

    assert part_of_code(code.value, code.meaning) == ("chest" if name in CHESTS else "other")


@pytest.mark.parametrize(
    ("value", "meaning", "part"),
    [
        *(
            ("T-D3000", "", "chest"),
            ("51185008", "", "chest"),
            ("39607008", "Lung", "chest"),
            ("X1", "Thorax", "chest"),
        ),
        *(("X1", "", "other"), ("T-D2500", "Hip", "other"), ("", "", None)),
    ],
)
def test_older_codes_are_known_and_private_ones_count_by_their_meaning(value, meaning, part) -> None:
    assert part_of_code(value, meaning) == part
