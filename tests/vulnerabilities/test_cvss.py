"""Vectors with the words that the examples of FIRST's specification and of the schema have for them."""

from __future__ import annotations

import pytest

from ascend_wheelhouse.vulnerabilities.cvss import word_of


@pytest.mark.parametrize(
    ("vector", "word"),
    [
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "critical"),  # 9.8
        ("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", "critical"),  # 10.0
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", "high"),  # 7.5
        ("CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:C/C:H/I:N/A:N", "medium"),  # 6.8
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N/E:F/RL:X", "medium"),  # 6.1
        ("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:L/I:N/A:N", "low"),  # 3.3
        ("CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:C/C:N/I:N/A:N", "none"),  # 0.0
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H", ""),
        ("CVSS:3.1/AV:Q/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", ""),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:H/UI:N/VC:L/VI:L/VA:N/SC:N/SI:N/SA:N", ""),
        ("AV:L/AC:M/Au:N/C:N/I:P/A:C", ""),
        ("", ""),
    ],
)
def test_a_vector_of_version_3_has_a_word_and_others_have_none(vector: str, word: str) -> None:
    assert word_of(vector) == word
