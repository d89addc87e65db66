"""What the rooms of the AWS account's check share."""

from __future__ import annotations

from gpuspawner.language import _, say

POLICY = say(_("Attach the policy in the documentation to the controller's role."))
