"""The options of the program, and the page that a record draws again."""

import pytest

from benchmarks.peers.__main__ import arguments, main, precisions_of, report
from benchmarks.peers.table import page
from bundle.opening import open_bundle
from tests.benchmarks.peers.records import results, start, window
from tests.service.bundles import write_tiny_bundle


def test_lists_are_read_and_an_unknown_peer_is_refused(capsys) -> None:
    chosen = arguments().parse_args(["--only", "naive-2, litserve", "--clients", "1,32", "--precisions", "int8"])

    assert (chosen.only, chosen.clients, chosen.precisions) == (["naive-2", "litserve"], [1, 32], ["int8"])
    with pytest.raises(SystemExit):
        arguments().parse_args(["--only", "naive"])
    assert "naive is not one of bare, ours, naive-1" in capsys.readouterr().err


def test_a_page_and_its_record_are_kept_and_the_record_draws_it_again(tmp_path, capsys) -> None:
    measured = results([window()], [start()])
    file = tmp_path / "peers.md"

    assert report(measured, file, complete=True) == 0
    assert file.read_text() == page(measured)
    assert capsys.readouterr().out.startswith("# Beside other servers")

    file.write_text("lost")
    assert main(["--draw", str(tmp_path / "peers.json")]) == 0
    assert file.read_text() == page(measured)


def test_a_remark_is_kept_in_the_record_and_stands_below_the_heading_of_its_precision(tmp_path) -> None:
    file = tmp_path / "peers.md"
    report(results([window(), window(precision="int8")]), file, complete=True)

    assert main(["--draw", str(tmp_path / "peers.json"), "--remark", "int8=Of another bundle."]) == 0
    assert "## int8\n\nOf another bundle.\n\n| server |" in file.read_text()
    assert "## fp32\n\n| server |" in file.read_text()

    file.write_text("lost")
    assert main(["--draw", str(tmp_path / "peers.json")]) == 0
    assert "Of another bundle." in file.read_text()
    with pytest.raises(SystemExit):
        arguments().parse_args(["--remark", "int8"])


@pytest.mark.parametrize(("windows", "complete"), [([window(errors=1)], True), ([window()], False), ([], True)])
def test_films_without_an_answer_and_peers_that_do_not_start_fail_the_run(windows, complete) -> None:
    assert report(results(windows), None, complete=complete) == 1


def test_a_precision_that_the_bundle_has_not_is_left_out_and_named(tmp_path) -> None:
    bundle = open_bundle(write_tiny_bundle(tmp_path))

    assert precisions_of(bundle, None) == (["fp32"], ["int8: tiny 1.0.0 has no such graph"])
    assert precisions_of(bundle, ["fp32"]) == (["fp32"], [])
