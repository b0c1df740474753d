import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srscene.core.classes import CLASSES, decode
from srscene.raw.bigearthnet import CORINE, DROPPED, encode

CORINE_NAMES = [name for names in CORINE.values() for name in names]


def test_43_corine_names_19_classes_in_the_official_order():
    assert len(CORINE_NAMES) + len(DROPPED) == 43
    assert len({*CORINE_NAMES, *DROPPED}) == 43
    assert len(CLASSES) == 19
    assert CLASSES[:3] == ("Urban fabric", "Industrial or commercial units", "Arable land")
    assert CLASSES[8:11] == ("Broad-leaved forest", "Coniferous forest", "Mixed forest")
    assert CLASSES[18] == "Marine waters"
    assert list(CLASSES) != sorted(CLASSES)  # not the alphabetical order of other code


@pytest.mark.parametrize(
    ("corine", "class_name"),
    [
        ("Rice fields", "Arable land"),
        ("Vineyards", "Permanent crops"),
        ("Sparsely vegetated areas", "Natural grassland and sparsely vegetated areas"),
        ("Transitional woodland/shrub", "Transitional woodland, shrub"),
        ("Peatbogs", "Inland wetlands"),
        ("Salines", "Coastal wetlands"),
        ("Water courses", "Inland waters"),
        ("Sea and ocean", "Marine waters"),
    ],
)
def test_mapping(corine, class_name):
    assert decode(encode([corine])) == [class_name]


@given(st.sets(st.sampled_from(CLASSES)))
def test_class_names_survive_a_round_trip(names):
    target = encode(names)
    assert target.shape == (19,)
    assert target.dtype == np.uint8
    assert decode(target) == [name for name in CLASSES if name in names]


@given(st.lists(st.sampled_from(CORINE_NAMES)), st.lists(st.sampled_from(sorted(DROPPED))))
def test_dropped_names_repetition_and_order_do_not_matter(names, dropped):
    np.testing.assert_array_equal(encode([*dropped, *names]), encode(reversed([*names, *names])))


def test_no_label_is_a_zero_vector():
    assert not encode([]).any()
    assert not encode(DROPPED).any()


def test_an_unknown_name_is_an_error_that_holds_it():
    with pytest.raises(KeyError, match="Lava"):
        encode(["Pastures", "Lava"])
