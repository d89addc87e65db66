"""Brings the course into the home, and never takes an edit away.

Rooms: `folder` reaches files without following a link, `record` is what was delivered, `decide` the
rule, `source` where the course comes from, `deliver` carries it out, `api` what the page is told.
"""
