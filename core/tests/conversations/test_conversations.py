"""Lists, branches, search, export and who may see what, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import text

from ai_secretary.conversations import Conversations, Exchange, Journal, MessageRecord, Visibility
from ai_secretary.errors import InvalidInput, NotFound
from ai_secretary.storage import Database

from .exchanges import EVERYTHING, following, opening


async def test_first_message_names_the_conversation_and_lists_show_its_end(
    journal: Journal, conversations: Conversations
) -> None:
    first = opening("Запишите меня на приём", "На какой день?")
    await journal.record(first)
    await journal.record(following(first, "На завтра", "Записала на завтра"))
    page = await conversations.list(EVERYTHING)
    assert page.total == 1
    listed = page.items[0]
    assert (listed.title, listed.message_count, listed.last_message) == ("Запишите меня на приём", 4, "Записала на завтра")
    branch = await conversations.path(EVERYTHING, listed.id)
    assert [(m.role, m.content) for m in branch] == [
        ("user", "Запишите меня на приём"),
        ("assistant", "На какой день?"),
        ("user", "На завтра"),
        ("assistant", "Записала на завтра"),
    ]
    assert branch[1].usage.total_tokens == 12
    assert branch[1].source is not None
    assert branch[1].source.id == "test/m"
    assert branch[1].timings == {}
    assert branch[1].details == {}


async def test_pages_follow_each_other_without_gaps_or_repeats(journal: Journal, conversations: Conversations) -> None:
    made = [opening(f"Разговор {number}") for number in range(7)]
    for exchange in made:
        await journal.record(exchange)
    seen: list[str] = []
    cursor = None
    while True:
        page = await conversations.list(EVERYTHING, limit=3, cursor=cursor)
        seen += [item.id for item in page.items]
        assert page.total == 7
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [exchange.conversation_id for exchange in reversed(made)]
    with pytest.raises(InvalidInput, match="cursor"):
        await conversations.list(EVERYTHING, cursor="что-то")


async def test_groups_count_each_source(journal: Journal, conversations: Conversations) -> None:
    for source in ("telegram", "telegram", "telegram", "widget"):
        await journal.record(opening("Привет", source=source))
    groups = await conversations.grouped(EVERYTHING, per_group=2)
    assert [(group.source, group.count, len(group.items)) for group in groups] == [("telegram", 3, 2), ("widget", 1, 1)]


async def test_edit_keeps_the_old_branch_and_switching_returns_to_it(journal: Journal, conversations: Conversations) -> None:
    first = opening("Сколько стоит?", "Сто рублей")
    await journal.record(first)
    later = following(first, "А доставка?", "Двести")
    await journal.record(later)
    edited = MessageRecord(first.conversation_id, None, "user", "Сколько стоит оптом?")
    await journal.record(
        Exchange(first.conversation_id, (edited, MessageRecord(first.conversation_id, edited.id, "assistant", "Семьдесят")))
    )
    branch = await conversations.path(EVERYTHING, first.conversation_id)
    assert [message.content for message in branch] == ["Сколько стоит оптом?", "Семьдесят"]
    assert branch[0].siblings is not None
    assert (branch[0].siblings.index, branch[0].siblings.total, branch[0].edited) == (1, 2, True)
    assert branch[1].edited is False

    restored = await conversations.switch_branch(EVERYTHING, first.conversation_id, branch[0].siblings.ids[0])
    assert [message.content for message in restored] == ["Сколько стоит?", "Сто рублей", "А доставка?", "Двести"]
    listed = await conversations.get(EVERYTHING, first.conversation_id)
    assert (listed.message_count, listed.last_message) == (6, "Двести")


async def test_deleting_a_message_shows_its_alternative_or_what_was_before(
    journal: Journal, conversations: Conversations
) -> None:
    first = opening("Вопрос", "Первый ответ")
    await journal.record(first)
    again = MessageRecord(first.conversation_id, first.messages[0].id, "assistant", "Второй ответ")
    await journal.record(Exchange(first.conversation_id, (again,)))
    assert await conversations.delete_message(EVERYTHING, first.conversation_id, again.id) == 1
    branch = await conversations.path(EVERYTHING, first.conversation_id)
    assert [message.content for message in branch] == ["Вопрос", "Первый ответ"]
    assert await conversations.delete_message(EVERYTHING, first.conversation_id, first.messages[0].id) == 2
    assert await conversations.path(EVERYTHING, first.conversation_id) == []
    assert (await conversations.get(EVERYTHING, first.conversation_id)).message_count == 0
    with pytest.raises(NotFound):
        await conversations.delete_message(EVERYTHING, first.conversation_id, "msg_none")


async def test_a_conversation_of_thousands_of_messages_is_read_and_deleted(
    journal: Journal, conversations: Conversations, database: Database
) -> None:
    exchange = opening("Начало")
    await journal.record(exchange)
    chain: list[MessageRecord] = []
    parent = exchange.messages[-1].id
    for number in range(3000):
        chain.append(MessageRecord(exchange.conversation_id, parent, "user" if number % 2 == 0 else "assistant", str(number)))
        parent = chain[-1].id
    await journal.record(Exchange(exchange.conversation_id, tuple(chain)))
    branch = await conversations.path(EVERYTHING, exchange.conversation_id)
    assert len(branch) == 3002
    tail = await conversations.path(EVERYTHING, exchange.conversation_id, limit=10)
    assert [message.content for message in tail] == [str(number) for number in range(2990, 3000)]
    assert all(message.siblings is not None and message.siblings.total == 1 for message in tail)
    assert await conversations.delete_message(EVERYTHING, exchange.conversation_id, chain[0].id) == 3000
    await conversations.delete(EVERYTHING, exchange.conversation_id)
    async with database.session() as session:
        assert (await session.execute(text("SELECT count(*) FROM messages"))).scalar_one() == 0


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("ёлка", True),
        ("ЕЛКА", True),
        ("елк", True),
        ("новогодняя ЁЛКА", True),
        ("лка", False),
        ("ёлка пальма", False),
        ("mail.ru", True),
        ("%", False),
        ('"ёлка" OR', False),
        ("'; --", False),
    ],
)
async def test_search_knows_russian_letters(journal: Journal, conversations: Conversations, query: str, found: bool) -> None:
    await journal.record(opening("Где стоит Новогодняя ёлка? Пишите на info@mail.ru", "У входа"))
    await journal.record(opening("Совсем другое", "Да"))
    hits = await conversations.search(EVERYTHING, query)
    assert len(hits.items) == int(found)
    page = await conversations.list(EVERYTHING, search=query)
    assert page.total == int(found)
    if found and "mail" not in query:
        assert "ёлка" in hits.items[0].snippet


async def test_search_finds_titles_names_and_nothing_deleted(journal: Journal, conversations: Conversations) -> None:
    await journal.record(opening("Алло", "Да", source="phone", person_name="Ёжиков Пётр"))
    gone = opening("Секретное слово барракуда")
    await journal.record(gone)
    assert (await conversations.list(EVERYTHING, search="ежиков")).total == 1
    assert len((await conversations.search(EVERYTHING, "барракуда")).items) == 1
    assert len((await conversations.search(EVERYTHING, "барракуда", source="phone")).items) == 0
    await conversations.delete(EVERYTHING, gone.conversation_id)
    assert len((await conversations.search(EVERYTHING, "барракуда")).items) == 0
    unindexed = opening("Второе слово кашалот")
    await journal.record(unindexed)
    await conversations.delete(EVERYTHING, unindexed.conversation_id)
    await journal.record(opening("Третье слово нарвал"))
    assert len((await conversations.search(EVERYTHING, "кашалот")).items) == 0
    assert len((await conversations.search(EVERYTHING, "нарвал")).items) == 1


async def test_search_pages_go_back_in_time(journal: Journal, conversations: Conversations) -> None:
    for number in range(5):
        await journal.record(opening(f"Заказ номер {number}", "Принято"))
    first = await conversations.search(EVERYTHING, "заказ", limit=3)
    rest = await conversations.search(EVERYTHING, "заказ", limit=3, cursor=first.next_cursor)
    assert [hit.message.content[-1] for hit in first.items + rest.items] == ["4", "3", "2", "1", "0"]
    assert rest.next_cursor is None


async def test_owners_see_their_own(journal: Journal, conversations: Conversations) -> None:
    for owner in ("user_a", "user_b", None):
        await journal.record(opening("слово", owner_id=owner, source="admin" if owner else "phone"))
    a, key = Visibility("user_a", shared=True), Visibility("user_a")
    assert {item.owner_id for item in (await conversations.list(a)).items} == {"user_a", None}
    assert {item.owner_id for item in (await conversations.list(key)).items} == {"user_a"}
    assert len((await conversations.search(key, "слово")).items) == 1
    assert [group.source for group in await conversations.grouped(key)] == ["admin"]
    others = next(item for item in (await conversations.list(EVERYTHING)).items if item.owner_id == "user_b")
    for attempt in (
        conversations.get(a, others.id),
        conversations.path(a, others.id),
        conversations.update(a, others.id, {"title": "моё"}),
        conversations.delete(a, others.id),
        conversations.clear(a, others.id),
        conversations.export(a, others.id),
        conversations.switch_branch(a, others.id, "x"),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert await conversations.bulk_delete(a, [others.id]) == []
    assert (await conversations.get(EVERYTHING, others.id)).title == "слово"


async def test_update_clears_fields_with_none_and_leaves_absent_ones(conversations: Conversations) -> None:
    made = await conversations.create(
        source="admin", title="Название", system_prompt="Отвечай стихами", model="a/b", sampling={"temperature": 0.2}
    )
    changed = await conversations.update(EVERYTHING, made.id, {"system_prompt": None, "archived": True})
    assert (changed.title, changed.system_prompt, changed.model, changed.archived) == ("Название", None, "a/b", True)
    assert changed.sampling == {"temperature": 0.2}
    assert (await conversations.list(EVERYTHING)).total == 0
    assert (await conversations.list(EVERYTHING, archived=None)).total == 1
    cleared = await conversations.update(EVERYTHING, made.id, {"title": None, "sampling": None})
    assert (cleared.title, cleared.sampling) == ("", {})


async def test_bulk_delete_takes_messages_along(journal: Journal, conversations: Conversations, database: Database) -> None:
    made = [opening(str(number)) for number in range(4)]
    for exchange in made:
        await journal.record(exchange)
    deleted = await conversations.bulk_delete(EVERYTHING, [*(exchange.conversation_id for exchange in made[:3]), "conv_none"])
    assert len(deleted) == 3
    async with database.session() as session:
        assert (await session.execute(text("SELECT count(*) FROM messages"))).scalar_one() == 2
        assert (await session.execute(text("SELECT count(*) FROM usage_log"))).scalar_one() == 4


async def test_export_json_holds_every_branch_and_markdown_the_active_one(journal: Journal, conversations: Conversations) -> None:
    first = opening("Вопрос про <b>цену</b>", "Старый ответ")
    await journal.record(first)
    again = MessageRecord(first.conversation_id, first.messages[0].id, "assistant", "Новый ответ")
    await journal.record(Exchange(first.conversation_id, (again,)))
    exported = json.loads((await conversations.export(EVERYTHING, first.conversation_id, "json")).content)
    assert [message["content"] for message in exported["messages"]] == ["Вопрос про <b>цену</b>", "Старый ответ", "Новый ответ"]
    assert exported["active_branch"] == [first.messages[0].id, again.id]
    markdown = await conversations.export(EVERYTHING, first.conversation_id, "markdown")
    assert markdown.filename.endswith(".md")
    assert "Новый ответ" in markdown.content
    assert "Старый ответ" not in markdown.content
    plain = await conversations.export(EVERYTHING, first.conversation_id, "txt")
    assert plain.content.count("\n") == 4
    with pytest.raises(InvalidInput, match="pdf"):
        await conversations.export(EVERYTHING, first.conversation_id, "pdf")


async def test_find_and_clear_and_erase(journal: Journal, conversations: Conversations) -> None:
    made = await conversations.create(source="telegram", source_id="bot", person_id="42", owner_id=None)
    found = await conversations.find(EVERYTHING, source="telegram", source_id="bot", person_id="42")
    assert found is not None
    assert found.id == made.id
    assert await conversations.find(EVERYTHING, source="telegram", source_id="bot", person_id="43") is None
    await journal.record(Exchange(made.id, (MessageRecord(made.id, None, "user", "Привет"),)))
    assert await conversations.clear(EVERYTHING, made.id) == 1
    assert (await conversations.get(EVERYTHING, made.id)).head_id is None
    assert await conversations.erase_person("telegram", "42") == 1
    with pytest.raises(InvalidInput):
        await conversations.erase_person("telegram", "")
