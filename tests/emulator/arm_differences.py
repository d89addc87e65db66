"""What differs between Azure's recorded answers and ours, and why.

The page on the replay is made from this (`docs/_ext/replay_page.py`), which reads it and does not
run it. The test finds the differences anew and compares: one that is not here is a mistake, and so
is one that is here and is not found. A place is a path in the answer, `[]` for each entry of a list.
"""

from __future__ import annotations

MISSING, MORE, OTHER = "only Azure", "only ours", "another value"

DIFFERENCES = {
    ("networkInterfaces", "another value", "properties.dnsSettings.internalDomainNameSuffix"): (
        "Made up by whoever makes the network."
    ),
    ("networkInterfaces", "only Azure", "header x-ms-arm-service-request-id"): (
        "A number for Microsoft's support."
    ),
    (
        "networkInterfaces",
        "only Azure",
        "properties.ipConfigurations[].properties.publicIPAddress",
    ): (
        "The recorded machine has a public address; students' machines have none, and ours cannot."
    ),
    ("networkInterfaces", "only Azure", "properties.networkSecurityGroup"): (
        "The recorded interface has a security group of its own; ours have the subnet's."
    ),
    ("networkInterfaces", "only ours", "header x-ms-ratelimit-remaining-subscription-reads"): (
        "Taken out of every recording by azure-cli's recorder, as is Retry-After."
    ),
    ("resourcegroups", "only Azure", "tags"): "The recorder's own.",
    ("resourcegroups", "only ours", "header x-ms-ratelimit-remaining-subscription-reads"): (
        "Taken out by the recorder."
    ),
    ("usages", "another value", "value[].currentValue"): "What the subscription uses.",
    ("usages", "another value", "value[].limit"): "What the subscription may use.",
    ("usages", "only Azure", "header x-ms-ratelimit-remaining-resource"): (
        "Azure counts this call by a policy of its own (`GetSubscriptionInfo3Min`) that the page on "
        "limits does not name any more; ours counts it by Resource Manager's reads alone."
    ),
    ("usages", "only Azure", "value[]"): "Families of sizes that ours does not have.",
    ("usages", "only ours", "header x-ms-ratelimit-remaining-subscription-reads"): (
        "Taken out by the recorder."
    ),
    ("usages", "only ours", "value[]"): "Families of sizes that came after the recording.",
    ("virtualMachines", "another value", "properties.instanceView.hyperVGeneration"): (
        "The recorded image is of the first generation; today's are of the second."
    ),
    ("virtualMachines", "another value", "properties.instanceView.osVersion"): (
        "The recorded image is Ubuntu 18.04."
    ),
    ("virtualMachines", "another value", "properties.storageProfile.osDisk.diskSizeGB"): (
        "When no size is asked for, it is the image's: 30 GiB of the recorded one, 64 of ours."
    ),
    ("virtualMachines", "only ours", "header x-ms-ratelimit-remaining-subscription-reads"): (
        "Taken out by the recorder."
    ),
    ("virtualMachines", "only ours", "properties.networkProfile.networkInterfaces[].properties"): (
        "What becomes of the interface when the machine is deleted: since version 2021-03-01."
    ),
    ("virtualMachines", "only ours", "properties.storageProfile.dataDisks[].deleteOption"): (
        "The same of a disk, since version 2021-03-01."
    ),
    ("virtualMachines", "only ours", "properties.timeCreated"): "Since version 2021-11-01.",
}
