"""Where the costs of a network as data belong in the profile of a tool that saw no shapes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from profkit.errors import UsageError
from profkit.kernel_costs import BY_NAME
from profkit.network_costs import NetworkCost
from profkit.profile import Profile
from profkit.summary import Key

PLACE = ("layer", "phase")


def places_of(profile: Profile, by: Sequence[str]) -> tuple[str, ...]:
    """The columns that the costs of a network and the rows of a profile have in common.

    Args:
        profile: of a tool that saw no shapes.
        by: columns that its rows are to be summed by.

    Raises:
        UsageError: the cost of the network does not lie in such columns.
    """
    if set(by) <= set(PLACE):
        return PLACE
    finest = (*PLACE, "operator")
    if set(by) <= set(finest) and profile.run.implementation in BY_NAME:
        return finest
    raise UsageError(
        f"this profile of {profile.run.tool} has the cost of no operator, only those of its layers and phases: "
        f"there are none by {next(name for name in by if name not in PLACE)}",
        "choose --by layer,phase or record with --tool torch",
    )


def placed(cost: NetworkCost, places: Sequence[str], known: Collection[Key]) -> Key:
    """The key that a cost belongs to: its own, but that of its phase alone where the tool saw no more of it.

    Args:
        cost: of an operator of the network.
        places: columns of the keys: layer and phase, perhaps the operator.
        known: keys that the profile has.
    """
    own: Key = (cost.layer, cost.phase, cost.operator)[: len(places)]
    phase: Key = (None, cost.phase, None)[: len(places)]
    return phase if own not in known and phase in known else own
