"""Calls about the cluster, its nodes and the token itself."""

from collections.abc import Mapping

from bluelobster.pve.calls import Calls
from bluelobster.pve.fields import mapping, mappings, text
from bluelobster.pve.types import NodeStatus, NodeSummary, PciMapping


class NodeCalls(Calls):
    """What there is and what the token may do."""

    async def version(self) -> str:
        """The server's version, such as `9.2.11`; needs no privilege, but a valid token."""
        return text(mapping(await self._transport.get("/version")), "version")

    async def nodes(self) -> list[NodeSummary]:
        """All nodes of the cluster."""
        return [NodeSummary.parse(fields) for fields in mappings(await self._transport.get("/nodes"))]

    async def node_status(self) -> NodeStatus:
        """The node's size and load. Raises NodeNotFound."""
        return NodeStatus.parse(mapping(await self._transport.get(self._path("status"))))

    async def pci_mappings(self) -> list[PciMapping]:
        """The cluster's PCI resource mappings, each with its number of devices on this node."""
        answer = await self._transport.get("/cluster/mapping/pci")
        return [PciMapping.parse(fields, self._node) for fields in mappings(answer)]

    async def permissions(self) -> Mapping[str, frozenset[str]]:
        """The token's privileges by path, such as `/vms`."""
        answer = mapping(await self._transport.get("/access/permissions"))
        # The value of a privilege only tells whether deeper paths inherit it.
        return {path: frozenset(mapping(privileges)) for path, privileges in answer.items()}
