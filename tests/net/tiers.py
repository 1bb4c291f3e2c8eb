# SPDX-License-Identifier: GPL-3.0-or-later
"""Which parameters of a test run in which tier."""

import pytest


def full(*values):
    """A parameter whose test is left to the full tier."""
    return pytest.param(*values, marks=pytest.mark.full)
