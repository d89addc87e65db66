"""`gpuspawner doctor`: says before class what would fail in class, and how to mend it.

It changes nothing: the cloud is asked with DryRun, the database is opened for reading, its lock is
looked at and not taken, and no secret is made or shown. One thing that is broken hides no other.
"""
