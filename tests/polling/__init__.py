"""Tests of walks, polls and what is kept between them."""
