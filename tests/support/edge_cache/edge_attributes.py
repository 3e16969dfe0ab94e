"""A whole item as DynamoDB would hold it, which the program itself writes in parts only."""

from crm_relay.edge_cache.items import content, key_of, waiting
from crm_relay.edge_cache.models import CacheItem
from crm_relay.platform.aws.dynamo import Attributes, number, text


def attributes_of(item: CacheItem) -> Attributes:
    """All of them, with the keys."""
    found = key_of(item.entity, item.row_id)
    found |= content(item.entity, item.doc, version=item.version, updated_at=item.updated_at, now=item.written_at)
    found |= {"generation": number(item.generation), "edits": number(item.edits)}
    found |= {name: text("altered") for name in item.altered}
    return found | (waiting(item.row_id, item.edited_at) if item.edited_at else {})
