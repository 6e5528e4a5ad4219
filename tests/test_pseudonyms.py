"""Pseudonyms: the keyed hash beside the standard library's, what numbers tell, and the key file."""

import base64
import hmac
import os

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from municipal_files import KEY, check_digit, identity_number

from nbanalytics.errors import DataError
from nbanalytics.municipal import pseudonyms
from nbanalytics.municipal.pseudonyms import Key, create_key, identities, new_key, read_key


@pytest.mark.parametrize(
    "secret",
    [b"9c41d7e2b85f03a66e1fd0947ab8352c", bytes.fromhex("".join(f"{n * n * 181 % 65521:04x}" for n in range(1, 61)))],
)
def test_a_pseudonym_is_the_keyed_hash_of_the_standard_library(secret):
    number = identity_number(7, "girl")
    digest = hmac.new(secret, number.encode(), "sha256").digest()
    assert Key(secret).pseudonym(number) == "P" + base64.b32encode(digest[:10]).decode()


def test_without_pythons_own_hash_the_pseudonyms_are_the_same_and_it_is_looked_for_once(monkeypatch):
    numbers, asked = [identity_number(place, "girl") for place in range(3)], []
    before = [KEY.pseudonym(number) for number in numbers]

    def absent(name):
        asked.append(name)
        raise ImportError

    with monkeypatch.context() as without:
        without.setattr(pseudonyms, "import_module", absent)
        pseudonyms._sha256.cache_clear()
        assert [KEY.pseudonym(number) for number in numbers] == before
        pseudonyms._sha256.cache_clear()
    assert len(asked) == len(set(asked))


def test_many_at_once_are_the_same_as_one_by_one_and_what_is_no_number_is_missing():
    numbers = [identity_number(place, "boy") for place in range(50)]
    series = pd.Series([*numbers, "Anna Ek", None], index=range(10, 62), name="who")
    found = KEY.pseudonyms(series)
    assert found.iloc[:50].tolist() == [KEY.pseudonym(number) for number in numbers]
    assert found.iloc[50:].isna().all()
    assert found.index.equals(series.index)
    assert found.is_unique or found.iloc[:50].is_unique


@pytest.mark.parametrize(
    "written", ["20020312-2384", " 200203122384 ", "0203122384", "020312-2384", "020312 2384", "20020312 2384"]
)
def test_the_same_number_however_written_is_the_same_pupil(written):
    assert KEY.pseudonym(written) == KEY.pseudonym("200203122384")


def test_sex_and_birth_year_are_told_but_of_tf_numbers_the_sex_is_not():
    cells = [
        "200203122384",
        "200203122392",
        "20020312TF01",
        "20020312tf01",
        "200203722388",
        "120312-2384",
        "990312+2384",
    ]
    found = identities(pa.array(cells))
    assert found.sex.tolist() == [1, 2, 0, 0, 1, 1, 1]
    assert found.birth_year.tolist() == [2002, 2002, 2002, 2002, 2002, 2012, 1999]
    assert found.temporary.tolist() == [False, False, True, True, False, False, False]
    assert found.short.tolist() == [False] * 5 + [True] * 2
    assert KEY.pseudonym("20020312TF01") == KEY.pseudonym("20020312tf01")


@given(st.integers(0, 999_999_998))
def test_a_check_digit_fits_if_and_only_if_the_luhn_rule_says_so(nine):
    text = f"{nine:09d}"
    cells = [f"20{text}{last}" for last in range(10)]
    found = identities(pa.array(cells))
    for last, (fault, unchecked) in enumerate(zip(found.fault, found.unchecked, strict=True)):
        assert fault or unchecked == (str(last) != check_digit(text))


@pytest.mark.parametrize(
    "cell", ["", "1", "20021312-2384", "200202302384", "200203992384", "Anna", "2002031223841", "\x00" * 12]
)
def test_what_is_no_number_is_refused_without_showing_it(cell):
    with pytest.raises(DataError) as error:
        KEY.pseudonym(cell)
    assert not cell.strip("\x001") or cell not in str(error.value)


def test_leap_days_exist_in_leap_years_only():
    assert identities(pa.array(["200402292380", "200302292380", "200002292380"])).fault.tolist() == [0, 2, 0]


@given(st.text(max_size=20))
def test_any_text_is_a_number_or_none(text):
    assert identities(pa.array([text])).fault[0] in (0, 1, 2)


def test_a_key_file_is_its_owners_alone_and_gives_the_key_back(tmp_path):
    old = os.umask(0)
    try:
        key = create_key(tmp_path / "key")
    finally:
        os.umask(old)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert read_key(tmp_path / "key") == key
    assert key != new_key()
    assert key.secret.decode() not in repr(key)
    with pytest.raises(DataError, match="exists already"):
        create_key(tmp_path / "key")
    assert read_key(tmp_path / "key") == key


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_can_reach_is_refused(tmp_path, mode):
    create_key(tmp_path / "key")
    (tmp_path / "key").chmod(mode)
    with pytest.raises(DataError, match="chmod 600"):
        read_key(tmp_path / "key")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "at least 32"), (b"abc123", "at least 32"), (b"a" * 64, "drawn"), (b"x1y2" * 2000, "larger")],
)
def test_what_is_no_key_is_refused_and_not_shown(tmp_path, content, message):
    file = tmp_path / "key"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(DataError, match=message) as error:
        read_key(file)
    assert not content or content.decode() not in str(error.value)


def test_a_missing_key_or_a_folder_is_told(tmp_path):
    for path in (tmp_path / "none", tmp_path, tmp_path / "no" / "key"):
        with pytest.raises(DataError):
            read_key(path)
    with pytest.raises(DataError, match="cannot be written"):
        create_key(tmp_path / "no" / "key")
