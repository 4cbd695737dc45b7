// Messages as they are handed to a service, and whom an answer goes to.
#include "app/drafting.h"

#include <doctest/doctest.h>

#include "app/inbox.h"
#include "app/own_records.h"
#include "home.h"
#include "tmtp/message.h"
#include "tmtp/replies.h"

using namespace kith;
using namespace kith::app;

namespace {

struct Person : FirstDevice {
    Person() {
        for (int number : {1, 2}) {
            auto& account = number == 1 ? former : current;
            account.id.bytes[0] = static_cast<std::uint8_t>(number);
            account.address = account.identity = "=here:1";
            account.alias = "alias-" + std::to_string(number);
            account.uid = "UID" + std::to_string(number);
            must(profile.store().put_account(account));
        }
    }
    store::Account former, current;
};

const std::string bobby(32, 'B'), carol(32, 'C');

// What comes back of a post, as a record; its id.
std::string comes_back(Person& person, const store::Account& account, const tmtp::Asking& asking,
                       const std::string& msgid) {
    tmtp::Queued queued;
    queued.kind = tmtp::Kind::delivery;
    queued.op = "delivery";
    queued.id = msgid;
    queued.from = account.uid;
    queued.posted = tmtp::format_posted(1'700'000'000'000);
    queued.datalen = asking.data.size();
    queued.datahead = std::get<tmtp::Post>(asking.op).datahead;
    auto raw = to_bytes(tmtp::encode(queued));
    auto message = tmtp::to_delivered(std::move(queued));
    message.head_size = raw.size();
    append(raw, as_text(asking.data));
    message.raw = std::move(raw);
    message.posted_ms = 1'700'000'000'000;
    auto record = must(message_record(message, account.id, person.profile.blobs()));
    must(person.profile.history().add({&record, 1}));
    return record.stored.key.id.hex();
}

}  // namespace

TEST_CASE("two messages of the same words are told apart by their bytes") {
    Person person;
    DraftedMessage draft;
    draft.to = {bobby};
    draft.body = "ok";
    auto first = must(compose(person.profile, person.current, draft, {}));
    auto second = must(compose(person.profile, person.current, draft, {}));
    CHECK(first.data != second.data);
}

TEST_CASE("an answer to one's own message goes to whom it went, and to no account of one's own") {
    Person person;
    DraftedMessage draft;
    draft.to = {bobby, carol};
    draft.body = "ok";
    auto post = must(compose(person.profile, person.former, draft, {}));
    auto id = comes_back(person, person.former, post, "01");
    DraftedMessage answer;
    CHECK(answer_to(person.profile, id, answer).error().kind == Fault::not_found);
    must(keep_recipients_record(person.profile, person.former.id, "01",
                                {person.former.uid, person.current.uid, bobby, carol}, {},
                                1'700'000'000'000));
    CHECK(must(answer_to(person.profile, id, answer)) == person.former.id);
    CHECK(answer.to == std::vector<std::string>{bobby, carol});
    // One from the account of before is one's own, too.
    auto other = comes_back(person, person.current, post, "02");
    must(keep_recipients_record(person.profile, person.current.id, "02", {person.current.uid}, {},
                                1'700'000'000'000));
    DraftedMessage note;
    CHECK(must(answer_to(person.profile, other, note)) == person.current.id);
    CHECK(note.to.empty());
}
