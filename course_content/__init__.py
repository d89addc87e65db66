"""The course's notebooks, a file for each lesson and language; nothing to import.

It is a package so that an installation has them, and the server finds the copy to deliver.
"""
