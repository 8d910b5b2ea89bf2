"""The sorted set behind paging, against a plain sorted list."""

from hypothesis import given
from hypothesis import strategies as st

from shopchimp.sandbox.mailchimp import ordered
from shopchimp.sandbox.mailchimp.ordered import OrderedNumbers


@given(
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 60)), max_size=120),
    start=st.integers(0, 70),
    length=st.integers(0, 70),
)
def test_it_is_a_sorted_list(steps: list[tuple[bool, int]], start: int, length: int) -> None:
    full, ordered.FULL = ordered.FULL, 4  # small pieces, so that they split and vanish
    try:
        numbers, model = OrderedNumbers(), set[int]()
        for add, number in steps:
            if add and number not in model:
                numbers.add(number)
                model.add(number)
            elif not add and number in model:
                numbers.remove(number)
                model.remove(number)
        expected = sorted(model)
        assert list(numbers) == expected
        assert len(numbers) == len(expected)
        assert numbers.cut(start, start + length) == expected[start : start + length]
        for number in range(62):
            assert numbers.rank(number) == sum(each < number for each in expected)
    finally:
        ordered.FULL = full
