"""Conversations: trees of messages, their search and export, and the journal that is the hot loop's one write path."""

from ai_secretary.conversations.journal import Journal, JournalStatistics
from ai_secretary.conversations.records import (
    Conversation,
    ConversationRecord,
    Exchange,
    ExportFile,
    Group,
    Hit,
    Hits,
    Message,
    MessageRecord,
    MessageSource,
    Page,
    RawExchange,
    SiblingInfo,
    UsageRecord,
    Visibility,
)
from ai_secretary.conversations.service import ConversationChanges, Conversations

__all__ = [
    "Conversation",
    "ConversationChanges",
    "ConversationRecord",
    "Conversations",
    "Exchange",
    "ExportFile",
    "Group",
    "Hit",
    "Hits",
    "Journal",
    "JournalStatistics",
    "Message",
    "MessageRecord",
    "MessageSource",
    "Page",
    "RawExchange",
    "SiblingInfo",
    "UsageRecord",
    "Visibility",
]
