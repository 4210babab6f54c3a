"""Whose films they are: by the names of public sets, by DICOM, by a rule; and where nobody knows, it is said."""

from pathlib import Path
from typing import Any

import pytest

from schemas.errors import TrainingConfigError, TrainingDataError
from tests.films import encode, indexed, unlike, write_classes
from tests.imaging.files import dicom_bytes, dicom_dataset
from trainer.config import make_config
from trainer.films.film import FilmIndex
from trainer.films.leaks import close_leaks

UNKNOWN = "patients unknown: every film counts as its own; leaks of patients cannot be found"

OF_TWO_PATIENTS = {
    "NIH ChestX-ray14": ("00000001_000.png", "00000001_001.png", "00000002_000.png"),
    "CheXpert": (
        "patient00001_study1_view1_frontal.jpg",
        "patient00001_study2_view1_frontal.jpg",
        "train-patient00002-study1-view1_frontal.jpg",
    ),
    "MIMIC-CXR": ("p10000032_s50414267_a.jpg", "p10000032_s53189527_b.jpg", "p10000764_s57375967_c.jpg"),
    "BIMCV": (
        "sub-S03044_ses-E07985_run-1_bp-chest_vp-ap_cr.png",
        "sub-S03044_ses-E08888_run-1_bp-chest_vp-ap_dx.png",
        "sub-S03045_ses-E07985_run-1_bp-chest_vp-ap_cr.png",
    ),
    "RICORD": (
        "MIDRC-RICORD-1C-419639-000082-46647-0.png",
        "MIDRC-RICORD-1C-419639-000082-77777-0.png",
        "MIDRC-RICORD-1C-419639-000361-40856-0.png",
    ),
    "Shenzhen and Montgomery": ("CHNCXR_0001_0.png", "copy of CHNCXR_0001_0.png", "MCUCXR_0001_1.png"),
    "JSRT": ("JPCLN001.png", "flip_JPCLN001.png", "JPCNN001.png"),
    "Open-i": ("CXR1_1_IM-0001-3001.png", "CXR1_1_IM-0001-4001.png", "CXR2_IM-0652-1001.png"),
    "Kermany": ("train_person12_virus_3.jpeg", "person12_virus_4.jpeg", "person13_virus_3.jpeg"),
    "Kermany, version 3": (
        "BACTERIA-1234567-0001.jpeg",
        "BACTERIA-1234567-0002.jpeg",
        "VIRUS-7654321-0001.jpeg",
    ),
    "COVID-19 image data collection": (
        "covid-19-pneumonia-22-day1-pa.png",
        "covid-19-pneumonia-22-day2-pa.png",
        "nejmoa2001191_f1-PA.jpeg",
    ),
    "the word for patient in the name": ("patient_7_1.png", "patient_7_2.png", "patient_71_1.png"),
}


def write_films(root: Path, *names: str) -> Path:
    """Different films at the paths."""
    for seed, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(unlike(32, seed=seed), ".png"))
    return root


def write_dicoms(root: Path, **films: dict[str, Any]) -> Path:
    """DICOM films by the stem of their name; those of an odd place are of class B."""
    for place, (name, attributes) in enumerate(films.items()):
        path = root / "AB"[place % 2] / f"{name}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(dicom_bytes(dicom_dataset(unlike(32, seed=place), **attributes)))
    return root


def patients(index: FilmIndex) -> list[str]:
    return [film.patient for film in sorted(index.films, key=lambda film: film.path.name)]


@pytest.mark.parametrize("scheme", OF_TWO_PATIENTS)
def test_the_patients_of_public_sets_are_known_by_the_names_of_their_films(tmp_path, scheme) -> None:
    one, again, other = OF_TWO_PATIENTS[scheme]

    index = indexed(write_films(tmp_path, f"A/{one}", f"A/{again}", f"A/{other}", f"B/{other}"))

    by_name = {film.path.relative_to(tmp_path).as_posix(): film.patient for film in index.films}
    assert by_name[f"A/{one}"] == by_name[f"A/{again}"]
    assert by_name[f"A/{one}"] != by_name[f"A/{other}"] == by_name[f"B/{other}"]
    assert index.patients.patients == {f"names like those of {scheme}": 4}
    assert index.patients.sentences == (f"patients are known by names like those of {scheme} (4 films)",)


@pytest.mark.parametrize("scheme", OF_TWO_PATIENTS)
def test_a_patient_of_a_public_set_in_train_and_test_stops_the_run(tmp_path, scheme) -> None:
    one, again, other = OF_TWO_PATIENTS[scheme]
    files = (f"train/A/{one}", f"test/A/{again}", f"train/B/{other}", "test/B/elsewhere.png")

    with pytest.raises(TrainingDataError, match=r"1 leaks between the splits(?s:.*)patient: "):
        close_leaks(indexed(write_films(tmp_path, *files)))


def test_a_patient_is_known_by_the_folder_of_a_table_s_paths(tmp_path) -> None:
    films = [
        f"CheXpert/train/patient0000{patient}/study{study}/view1_frontal.jpg" for patient in (1, 2) for study in (1, 2)
    ]
    write_films(tmp_path, *films)
    lines = [f"{film},{label}" for film, label in zip(films, "ABAB", strict=True)]
    (tmp_path / "films.csv").write_text("\n".join(["path,label", *lines]))

    index = indexed(tmp_path / "films.csv")

    assert [film.patient for film in index.films] == ["patient00001", "patient00001", "patient00002", "patient00002"]


@pytest.mark.parametrize(
    "names",
    [
        ("COVID-1.png", "COVID-2.png"),
        ("Viral Pneumonia-1.png", "Viral Pneumonia-2.png"),
        ("0004cfab-14fd-4e49-80ba-63a80b6bddd6.png", "00313ee0-9eaa-42f4-b0ab-c148ed3241cd.png"),
        ("000434271f63a053c4128a0ba6352c7f.png", "00053190460d56c53cc3e57321387478.png"),
        ("1.2.276.0.7230010.3.1.4.8323329.1000.1517.png", "1.2.276.0.7230010.3.1.4.8323329.1001.1517.png"),
        (
            "216840111366964012819207061112010307142602253_04-014-084.png",
            "216840111366964012819207061112010306085429121_04-020-102.png",
        ),
        ("1.png", "2.png"),
        ("20240131_001.png", "scan.png"),
    ],
)
def test_where_nobody_says_who_the_patients_are_this_is_said(tmp_path, names) -> None:
    index = indexed(
        write_films(
            tmp_path,
            *(f"{label}/{label}{name}" if name == "1.png" else f"{label}/{name}" for label in "AB" for name in names),
        )
    )

    assert index.patients.unknown == 4
    assert index.patients.sentences[0].startswith(UNKNOWN)
    assert "--patients REGEX" in index.patients.sentences[0]
    assert not any(film.patient_known for film in index.films)
    assert len({film.patient for film in index.films}) == 4


def test_a_name_like_a_patient_among_others_is_not_believed(tmp_path) -> None:
    """A date and a number look like NIH's names."""
    index = indexed(write_films(tmp_path, "A/20240131_001.png", "A/20240131_002.png", "A/x.png", "A/y.png", "B/z.png"))

    assert index.patients.unknown == 5


def test_sets_that_are_merged_class_by_class_are_each_known_by_their_names(tmp_path) -> None:
    files = ("A/00000001_000.png", "A/00000001_001.png", "B/sub-S1_ses-E1_a.png", "B/sub-S1_ses-E2_b.png", "B/scan.png")

    index = indexed(write_films(tmp_path, *files))

    assert patients(index) == ["00000001", "00000001", "B/scan.png", "sub-S1", "sub-S1"]
    assert index.patients.unknown == 1
    assert index.patients.sentences[0].startswith(
        "patients unknown for 1 of 5 films: each of them counts as its own; leaks of patients cannot be found"
    )


def test_names_of_studies_keep_a_study_together_and_say_what_they_cannot(tmp_path) -> None:
    study = "20536686640136348236148679891455886468"
    index = indexed(write_films(tmp_path, f"A/{study}_k6ga29.png", f"A/{study}_k6gb31.png", f"B/{'3' * 38}_k6ga29.png"))

    assert len({film.patient for film in index.films}) == 2
    assert not any(film.patient_known for film in index.films)
    assert index.patients.sentences == (
        (
            "patients are known by their studies alone for 3 films, by names like those of PadChest (3 films): leaks "
            "of a patient with several studies cannot be found"
        ),
    )


@pytest.mark.parametrize("rule", [r"^./(\d+)-", r"(?P<patient>\d+)-(\d)", r"\d+"])
def test_a_rule_for_the_names_comes_before_everything_else(tmp_path, rule) -> None:
    files = (
        "A/7-1_person1_virus_1.png",
        "A/7-2_person2_virus_1.png",
        "B/8-1_person3_virus_1.png",
        "B/8-2_person4_virus_1.png",
    )

    index = indexed(write_films(tmp_path, *files), patients=rule)

    assert patients(index) == ["7", "7", "8", "8"]
    assert index.patients.patients == {f"--patients {rule}": 4}


@pytest.mark.parametrize(
    ("rule", "message"),
    [("nowhere", "--patients nowhere matches no film"), (".png", "gives the one patient .png for all")],
)
def test_a_rule_that_distinguishes_nobody_is_refused_with_the_paths_that_it_is_for(tmp_path, rule, message) -> None:
    with pytest.raises(TrainingDataError, match=rf"(?s){message}.*\n  A/0\.png"):
        indexed(write_classes(tmp_path, {"A": 2, "B": 2}), patients=rule)


def test_what_is_no_rule_is_refused_by_name() -> None:
    with pytest.raises(TrainingConfigError, match=r"data\.patients: \(7 is neither the name of a column nor a regular"):
        make_config({"data.path": "films", "data.patients": "(7", "networks.archs": ["cnn_baseline"]})


def test_the_films_of_one_study_are_of_one_patient_where_no_id_is_given(tmp_path) -> None:
    root = write_dicoms(
        tmp_path,
        a={"PatientID": None, "StudyInstanceUID": "1.2.1"},
        b={"PatientID": "", "StudyInstanceUID": "1.2.1"},
        c={"PatientID": None, "StudyInstanceUID": "1.2.2"},
        d={"PatientID": "7", "StudyInstanceUID": "1.2.3"},
    )

    index = indexed(root)

    assert patients(index) == ["study:A/a.dcm", "study:A/a.dcm", "study:A/c.dcm", "B/d.dcm"]
    assert index.patients.studies == {"DICOM StudyInstanceUID": 3}


def test_a_film_without_an_id_is_of_the_patient_of_its_study(tmp_path) -> None:
    root = write_dicoms(
        tmp_path,
        a={"PatientID": "7", "StudyInstanceUID": "1.2.1"},
        b={"PatientID": None, "StudyInstanceUID": "1.2.1"},
        c={"PatientID": "8", "StudyInstanceUID": "1.2.2"},
    )

    assert patients(indexed(root)) == ["A/a.dcm", "A/a.dcm", "A/c.dcm"]


def test_a_leak_of_patients_says_how_they_were_known_and_how_to_say_otherwise(tmp_path) -> None:
    """Films that are named by the day look like NIH's."""
    files = [
        f"{split}/{label}/20240131_{number}.png"
        for split, number in (("train", "001"), ("test", "002"))
        for label in "AB"
    ]
    root = write_films(tmp_path, *files)

    with pytest.raises(TrainingDataError, match=r"known by names like those of NIH ChestX-ray14; .*--patients '\.\*'"):
        close_leaks(indexed(root))
    assert len({film.patient for film in close_leaks(indexed(root, patients=".*")).films}) == 4


def test_ids_of_two_sites_and_of_two_issuers_are_of_two_patients(tmp_path) -> None:
    root = write_dicoms(
        tmp_path,
        a={"PatientID": "SITE\\1"},
        b={"PatientID": "SITE\\2"},
        c={"PatientID": "5", "IssuerOfPatientID": "NORTH"},
        d={"PatientID": "5", "IssuerOfPatientID": "SOUTH"},
        e={"PatientID": "6", "IssuerOfPatientID": "SOUTH"},
        f={"PatientID": "6"},
    )

    assert patients(indexed(root)) == ["A/a.dcm", "B/b.dcm", "A/c.dcm", "B/d.dcm", "A/e.dcm", "A/e.dcm"]


@pytest.mark.parametrize(
    "anonymous", ["ANONYMOUS", "Anonymized", "anon", "0", "00000", "", "UNKNOWN", "N/A", "4711", "xxx"]
)
def test_an_id_that_all_films_share_is_no_patient(tmp_path, anonymous) -> None:
    index = indexed(write_dicoms(tmp_path, **{name: {"PatientID": anonymous} for name in "abcd"}))

    assert len({film.patient for film in index.films}) == 4
    assert index.patients.sentences[0].startswith(UNKNOWN)


def test_an_id_of_most_films_is_named_as_nobodys_and_the_others_count(tmp_path) -> None:
    films = {f"a{number:02}": {"PatientID": "4711"} for number in range(8)}
    films |= {f"b{number}": {"PatientID": f"9-{number // 2}"} for number in range(4)}

    index = indexed(write_dicoms(tmp_path, **films))

    assert len(set(patients(index)[:8])) == 8
    assert len(set(patients(index)[8:])) == 2
    assert (
        "one DICOM PatientID stands in 8 of 12 films: it distinguishes nobody and was ignored" in index.patients.hints
    )
    assert "4711" not in repr(index)


def test_a_pseudonym_that_begins_like_anonymous_is_a_patient(tmp_path) -> None:
    films = {name: {"PatientID": f"ANON{ord(name) // 2}"} for name in "bcde"}

    assert len(set(patients(indexed(write_dicoms(tmp_path, **films))))) == 2
