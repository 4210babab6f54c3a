"""What a release checks before a tag, and what the workflow says that it does."""

import json
import re
import shutil
import subprocess
import sys
import tomllib

import pytest
import yaml
from setuptools.config.pyprojecttoml import read_configuration  # type: ignore[import-untyped] # no stubs

from deploy.release import images
from deploy.release.changelog import disagreements, notes, sections
from deploy.release.materials import with_version
from deploy.release.workflow import steps
from schemas.version import VERSION
from tests.requirements.locks import ROOT

CHANGELOG = """# Changelog

## [Unreleased]

## [1.1.0] - 2026-03-01

### Added

- Something.

## [1.0.0] - 2026-01-01

- The first.
"""
DIGEST = f"sha256:{'0123456789abcdef' * 4}"
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def test_the_version_stands_in_one_place_and_is_that_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert "version" not in project
    assert project["dynamic"] == ["version"]
    assert read_configuration(ROOT / "pyproject.toml")["project"]["version"] == VERSION


def test_the_changelog_of_this_repository_agrees_with_its_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()

    assert disagreements(changelog, VERSION) == []
    assert notes(changelog, VERSION).startswith("The first release.")


def test_a_changelog_is_read_newest_first() -> None:
    assert [(section.version, str(section.day)) for section in sections(CHANGELOG)] == [
        ("Unreleased", "None"),
        ("1.1.0", "2026-03-01"),
        ("1.0.0", "2026-01-01"),
    ]
    assert notes(CHANGELOG, "1.1.0") == "### Added\n\n- Something."


def test_notes_of_a_version_that_is_not_there_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no section 2\.0\.0"):
        notes(CHANGELOG, "2.0.0")


@pytest.mark.parametrize("tag", [None, "v1.1.0"])
def test_a_release_that_agrees_has_no_fault(tag) -> None:
    assert disagreements(CHANGELOG, "1.1.0", tag) == []


@pytest.mark.parametrize(
    ("changelog", "version", "tag", "fault"),
    [
        (CHANGELOG, "1.1.0", "v1.0.0", "the tag is 'v1.0.0' and the software is 1.1.0"),
        (CHANGELOG, "1.1.0", "1.1.0", "the tag is '1.1.0'"),
        (CHANGELOG, "1.2.0", None, "the newest version of CHANGELOG.md is not 1.2.0"),
        (CHANGELOG.replace("1.1.0", "1.1"), "1.1", None, "is not MAJOR.MINOR.PATCH"),
        (CHANGELOG.replace("## [Unreleased]\n", ""), "1.1.0", None, "does not begin with ## [Unreleased]"),
        (
            CHANGELOG.replace("[Unreleased]\n", "[Unreleased]\n\n- New.\n"),
            "1.1.0",
            "v1.1.0",
            "entries under Unreleased",
        ),
        (CHANGELOG.replace(" - 2026-03-01", ""), "1.1.0", None, "needs a date"),
        (CHANGELOG.replace("### Added\n\n- Something.\n", ""), "1.1.0", None, "and a text"),
    ],
)
def test_what_does_not_agree_is_named(changelog, version, tag, fault) -> None:
    (found,) = disagreements(changelog, version, tag)

    assert fault in found


def test_before_there_is_a_tag_entries_may_be_unreleased() -> None:
    assert disagreements(CHANGELOG.replace("[Unreleased]\n", "[Unreleased]\n\n- New.\n"), "1.1.0") == []


@pytest.fixture
def copy(tmp_path):
    """The files of the repository that name images."""
    for file in images.FILES:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    return tmp_path


def test_every_image_of_others_is_known(copy) -> None:
    named = {reference.tag.partition(":")[0] for reference in images.references(copy)}

    assert named == {"python", "prom/prometheus", "grafana/grafana-oss", "orthancteam/orthanc"}
    assert {reference.file for reference in images.references(copy)} == set(images.FILES)
    for file in images.FILES:  # a line FROM names the argument, or a stage of the same file
        sources = re.findall(r"^FROM (\S+)", (copy / file).read_text(), re.MULTILINE)
        assert set(sources) <= {"${BASE_IMAGE}", "build"}


def test_pinning_writes_the_digest_behind_each_tag_and_again_the_newer_one(copy) -> None:
    before = {reference.tag for reference in images.references(copy)}

    images.pin(copy, lambda tag: f"sha256:{'0' * 64}")
    images.pin(copy, lambda tag: DIGEST)

    assert images.unpinned(copy) == []
    assert {reference.image for reference in images.references(copy)} == {f"{tag}@{DIGEST}" for tag in before}
    assert (copy / "Dockerfile.api").read_text().count(DIGEST) == 1


def test_a_registry_that_gives_no_digest_changes_no_file(copy) -> None:
    before = {file: (copy / file).read_text() for file in images.FILES}

    with pytest.raises(ValueError, match="not a digest"):
        images.pin(copy, lambda tag: "latest")
    assert {file: (copy / file).read_text() for file in images.FILES} == before


def test_the_digests_of_what_was_built_are_read() -> None:
    row = {"image.name": "example.org/x/cxr-api:1.0.0", "containerimage.digest": DIGEST}

    assert images.built(json.dumps({"api": row, "buildx.build.warnings": []})) == [f"example.org/x/cxr-api@{DIGEST}"]


@pytest.mark.parametrize("metadata", [{}, {"api": {"image.name": "cxr-api:1.0.0"}}])
def test_an_image_that_was_not_pushed_is_refused(metadata) -> None:
    with pytest.raises(ValueError, match=r"no image|no digest"):
        images.built(json.dumps(metadata))


def test_a_bill_of_materials_names_the_version_of_what_it_describes() -> None:
    bill = json.loads(with_version('{"metadata": {"component": {"name": "cxr"}}, "components": []}', "1.2.3"))

    assert bill == {"metadata": {"component": {"name": "cxr", "version": "1.2.3"}}, "components": []}


@pytest.mark.parametrize("bill", ["{}", "[]", "no JSON"])
def test_a_file_that_is_no_bill_of_materials_is_refused(bill) -> None:
    with pytest.raises(ValueError, match=r"does not name|Expecting value"):
        with_version(bill, "1.2.3")


@pytest.mark.process
def test_a_release_with_images_that_are_not_pinned_is_refused() -> None:
    def check(*options):
        command = (sys.executable, "-m", "deploy.release", "check", *options)
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert check("--tag", f"v{VERSION}").returncode == 0
    assert check("--tag", "v0.0.1").returncode == 1
    assert check("--pinned").returncode == (1 if images.unpinned(ROOT) else 0)


@pytest.mark.process
@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_is_one_by_its_schema(workflow) -> None:
    command = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", workflow)

    subprocess.run(command, capture_output=True, check=True)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_targets_and_programs_that_exist_and_pins_its_actions(workflow) -> None:
    jobs = yaml.safe_load(workflow.read_text())["jobs"].values()
    rows = [step for job in jobs for step in job.get("steps", ())]
    commands = "\n".join(step.get("run", "") for step in rows)
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"\bmake ([a-z-]+)", commands)) <= targets
    assert all((ROOT / path).exists() for path in re.findall(r"(?:deploy|\.ci)/[\w./]+", commands))
    assert all(re.search(r"@(v\d+|[0-9a-f]{40})$", step["uses"]) for step in rows if "uses" in step)


def test_the_steps_that_are_printed_are_those_of_the_workflow() -> None:
    printed = "\n".join(steps(ROOT))
    order = [
        "deploy.release check --pinned",
        "make audit",
        "make sbom",
        "buildx bake --push",
        "cosign sign --yes",
        "gh release create",
    ]

    assert [printed.index(step) for step in order] == sorted(printed.index(step) for step in order)
    assert "publish, after gate and test" in printed
