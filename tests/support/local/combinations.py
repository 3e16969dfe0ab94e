"""Every combination of rooms that an operator may leave out."""

from itertools import combinations

LEFT_OUT = {
    "MauticUrl": "",
    "BisonInstanceUrl": "",
    "Campaigns": "disabled",
    "EdgeReplication": "disabled",
    "Notifications": "disabled",
    "Workflows": "disabled",
    "Connections": "disabled",
}
"""Parameter -> the value that leaves its room out."""

COMBINATIONS = [chosen for count in range(len(LEFT_OUT) + 1) for chosen in combinations(LEFT_OUT, count)]
