"""A class in software: what a rule for idle machines would have cost it, and whom it would have hit.

The rule is the one that the controller uses, `gpuspawner.policy.idle.decide`, imported and never
copied. Times in here are minutes since the Monday on which the term begins, as floats.
"""
