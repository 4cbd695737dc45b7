// Registering with a service that lets in only who signs in: both ends, against each other.
#include <doctest/doctest.h>

#include "memory_store.h"
#include "tmtp/client.h"
#include "tmtp/server.h"

using namespace kith;
using namespace kith::tmtp;

namespace {

struct OneToken : SignIn {
    std::vector<AuthBy> providers() const override {
        return {{"P", {"https://id/auth", "client_id=c"}, {"https://id/token", ""}}};
    }
    std::string objection(const std::string& id_token, Now) override {
        return id_token == "a.good.one" ? "" : "the id_token is malformed";
    }
};

// A client and a hub, and what either said.
struct Rig {
    MemoryStore store;
    SeededRandom random;
    OneToken sign_in;
    Hub hub{"site", store, random};
    Now now{1000, 1'795'289'105'920};
    ClientActions said;

    Rig() {
        REQUIRE(hub.start(now));
        hub.require(sign_in);
    }
    // Everything that the two have to say to each other on one link.
    void talk(Client& client, LinkId link) {
        said.clear();
        auto to_hub = client.connected(now);
        (void)hub.opened(link, now);
        while (!to_hub.empty()) {
            Bytes bytes;
            for (auto& action : to_hub) {
                if (auto* send = std::get_if<SendBytes>(&action)) append(bytes, send->bytes);
                said.push_back(std::move(action));
            }
            to_hub.clear();
            for (const auto& action : hub.received(link, bytes, now))
                if (auto* send = std::get_if<Send>(&action))
                    for (auto& next : client.received(send->bytes, now)) to_hub.push_back(std::move(next));
            if (bytes.empty()) break;
        }
    }
    template <class T>
    const T* find() const {
        for (const auto& action : said)
            if (auto* one = std::get_if<T>(&action)) return one;
        return nullptr;
    }
};

}  // namespace

TEST_CASE("a service that asks for a sign-in is told nothing before, and registers who has the token") {
    Rig rig;
    auto client = Client::registering("the-owner", "a label");
    rig.talk(client, 1);
    const auto* wanted = rig.find<SignInWanted>();
    REQUIRE(wanted);
    REQUIRE(wanted->authby.size() == 1);
    CHECK(wanted->authby[0].login == std::vector<std::string>{"https://id/auth", "client_id=c"});
    CHECK(client.state() == Client::State::failed);
    CHECK(rig.find<Registered>() == nullptr);
    for (const auto& action : rig.said)
        if (auto* send = std::get_if<SendBytes>(&action))
            CHECK(as_text(send->bytes).find("the-owner") == std::string_view::npos);

    auto with_token = Client::registering("the-owner", "a label", "a.good.one");
    rig.talk(with_token, 2);
    REQUIRE(rig.find<Registered>());
    CHECK(with_token.state() == Client::State::online);

    auto later = Client::login(with_token.uid(), rig.find<Registered>()->nodeid.copy());
    (void)rig.hub.closed(2, rig.now);
    rig.talk(later, 3);
    CHECK(later.state() == Client::State::online);  // who has an account signs in no more
}

TEST_CASE("a token that does not count registers nobody, and is not tried again") {
    Rig rig;
    auto client = Client::registering("the-owner", "a label", "another");
    rig.talk(client, 1);
    CHECK(rig.find<Registered>() == nullptr);
    const auto* failed = rig.find<Failed>();
    REQUIRE(failed);
    CHECK(failed->permanent);
    CHECK(failed->error.what.find("the id_token is malformed") != std::string::npos);
    CHECK_FALSE(rig.store.owner_of("the-owner").value());
}

TEST_CASE("Register carries what a token address has answered as an object, of which the token counts") {
    auto text = encode(Op{Register{"n", "a", "t.o.k"}});
    REQUIRE(text);
    CHECK(text->substr(4) == R"({"newalias":"a","newnode":"n","oidc":{"id_token":"t.o.k"},"op":1})");
    auto read = [](const std::string& oidc) -> std::string {
        auto head = Head::parse(R"({"op":1,"newnode":"n","newalias":"a")" + oidc + "}");
        auto op = parse_op(*head);
        return op ? "'" + std::get<Register>(*op).id_token + "'" : op.error().what;
    };
    CHECK(read("") == "''");
    CHECK(
        read(
            R"(,"Oidc":{"Scope":"openid","Token_type":"Bearer","Expires_in":3600,"Access_token":"x","Id_token":"t"})") ==
        "'t'");
    CHECK(read(R"(,"oidc":null)") == "''");
    for (const char* bad : {R"(,"oidc":"t")", R"(,"oidc":{})", R"(,"oidc":{"id_token":7})",
                            R"(,"oidc":{"id_token":""})", R"(,"oidc":[])"})
        CHECK(read(bad) == "invalid header");
}
