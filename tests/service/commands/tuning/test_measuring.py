"""Rules of the measurement itself."""

from service.commands.tuning.measuring import in_turns


def test_every_round_has_all_of_them_and_each_second_one_goes_backwards() -> None:
    order: list[str] = []
    progress: list[tuple[int, int]] = []

    def run(name):
        def once():
            order.append(name)
            return name

        return once

    results = in_turns([run("a"), run("b"), run("c")], 3, lambda done, of: progress.append((done, of)))

    assert "".join(order) == "abccbaabc"
    assert results == [["a"] * 3, ["b"] * 3, ["c"] * 3]
    assert progress[-1] == (9, 9)
