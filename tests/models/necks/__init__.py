"""Tests of temporal necks."""
