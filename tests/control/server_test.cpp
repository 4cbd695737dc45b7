#include "control/server.h"

#include <doctest/doctest.h>

#include <vector>

using namespace kith;
using namespace kith::control;

namespace {

// A caller that writes down what it is told.
struct Caller {
    std::vector<std::string> heard;
    Call call;
    Dispatcher::Sink sink() {
        return [this](const FromDaemon& message) { heard.push_back(to_line(message)); };
    }
    void start(Dispatcher& dispatcher, std::string method, Json args = Json::object(), Secrets secrets = {}) {
        call = dispatcher.call(std::move(method), std::move(args), std::move(secrets), sink());
    }
};

}  // namespace

TEST_CASE("a method gets its arguments and secrets, and its caller events and the result in order") {
    Dispatcher dispatcher;
    dispatcher.add("greet", [](const RequestPtr& request) {
        request->event("progress", {{"done", 1}});
        CHECK(as_text(request->secret("passphrase").view()) == "pw");
        request->finish({{"hello", request->args().at("name")}});
    });
    Secrets secrets;
    secrets.set("passphrase", SecretBytes(as_bytes("pw")));
    Caller caller;
    caller.start(dispatcher, "greet", {{"name", "Ada"}}, std::move(secrets));
    CHECK(caller.heard ==
          std::vector<std::string>{R"({"done":1,"event":"progress"})", R"({"result":{"hello":"Ada"}})"});
    CHECK_FALSE(caller.call.open());
}

TEST_CASE("an unknown method and arguments that are no object fail") {
    Dispatcher dispatcher;
    dispatcher.add("greet", [](const RequestPtr&) { FAIL("must not be called"); });
    Caller caller;
    caller.start(dispatcher, "gone");
    REQUIRE(caller.heard.size() == 1);
    CHECK(caller.heard[0].find("\"invalid\"") != std::string::npos);
    caller.start(dispatcher, "greet", Json::array());
    CHECK(caller.heard.size() == 2);
}

TEST_CASE("arguments of an unexpected type fail the request and nothing else") {
    Dispatcher dispatcher;
    dispatcher.add("count", [](const RequestPtr& request) {
        request->finish({{"n", request->args().at("n").get<int>() + 1}});
    });
    Caller caller;
    caller.start(dispatcher, "count", {{"n", "seven"}});
    caller.start(dispatcher, "count");
    caller.start(dispatcher, "count", {{"n", 6}});
    REQUIRE(caller.heard.size() == 3);
    CHECK(caller.heard[0].find("\"invalid\"") != std::string::npos);
    CHECK(caller.heard[1].find("\"invalid\"") != std::string::npos);
    CHECK(caller.heard[2] == R"({"result":{"n":7}})");
}

TEST_CASE("a request that is kept asks, is answered and ends later") {
    Dispatcher dispatcher;
    RequestPtr kept;
    dispatcher.add("add", [&](const RequestPtr& request) {
        kept = request;
        request->ask("code");
        request->on_answer([request](std::string_view name, std::string_view value) {
            if (value == "right") return request->finish({{"name", std::string(name)}});
            request->event("wrong_code", {{"left", 4}});
            request->ask("code");
        });
    });
    Caller caller;
    caller.start(dispatcher, "add");
    CHECK(caller.call.open());
    caller.call.answer("code", "wrong");
    CHECK(caller.heard.size() == 3);
    caller.call.answer("code", "right");
    CHECK(caller.heard.back() == R"({"result":{"name":"code"}})");
    caller.call.answer("code", "right");  // after the end: nothing
    kept->event("late");
    kept->fail({Fault::io, "late", ""});
    CHECK(caller.heard.size() == 4);
    CHECK(kept.use_count() == 1);  // the callbacks that held it are gone
}

TEST_CASE("only the first end counts") {
    Dispatcher dispatcher;
    dispatcher.add("twice", [](const RequestPtr& request) {
        request->finish(1);
        request->finish(2);
        request->fail({Fault::io, "", ""});
    });
    Caller caller;
    caller.start(dispatcher, "twice");
    CHECK(caller.heard == std::vector<std::string>{R"({"result":1})"});
}

TEST_CASE("a request that its handler drops fails by itself") {
    Dispatcher dispatcher;
    dispatcher.add("forget", [](const RequestPtr&) {});
    Caller caller;
    caller.start(dispatcher, "forget");
    REQUIRE(caller.heard.size() == 1);
    CHECK(caller.heard[0].find("\"unavailable\"") != std::string::npos);
}

TEST_CASE("cancel reaches the handler once, and the end still comes") {
    Dispatcher dispatcher;
    int asked = 0;
    RequestPtr kept;
    dispatcher.add("add", [&](const RequestPtr& request) {
        kept = request;
        request->on_cancelled([&](Cancelled how) {
            CHECK(how == Cancelled::asked);
            ++asked;
        });
    });
    Caller caller;
    caller.start(dispatcher, "add");
    caller.call.cancel();
    caller.call.cancel();
    CHECK(asked == 1);
    kept->fail({Fault::cancelled, "withdrawn", ""});
    CHECK(caller.heard.size() == 1);
}

TEST_CASE("a cancel that ends the request from within is safe") {
    Dispatcher dispatcher;
    dispatcher.add("add", [](const RequestPtr& request) {
        request->on_cancelled([request](Cancelled) { request->fail({Fault::cancelled, "withdrawn", ""}); });
    });
    Caller caller;
    caller.start(dispatcher, "add");
    caller.call.cancel();
    CHECK(caller.heard.size() == 1);
    CHECK_FALSE(caller.call.open());
}

TEST_CASE("a caller that goes is noticed once and told nothing more") {
    Dispatcher dispatcher;
    std::vector<Cancelled> how;
    RequestPtr kept;
    dispatcher.add("add", [&](const RequestPtr& request) {
        kept = request;
        request->on_cancelled([&](Cancelled reason) { how.push_back(reason); });
    });
    Caller caller;
    caller.start(dispatcher, "add");
    caller.call.cancel();
    caller.call.leave();
    caller.call.leave();
    CHECK(how == std::vector{Cancelled::asked, Cancelled::gone});
    CHECK_FALSE(kept->open());
    kept->event("progress");
    kept->finish();
    CHECK(caller.heard.empty());
}

TEST_CASE("destroying or replacing a call means going") {
    Dispatcher dispatcher;
    int gone = 0;
    dispatcher.add("add", [&](const RequestPtr& request) {
        request->on_cancelled([&gone, request](Cancelled) { ++gone; });
    });
    {
        Caller caller;
        caller.start(dispatcher, "add");
        caller.start(dispatcher, "add");
        CHECK(gone == 1);
        CHECK(caller.heard.empty());
    }
    CHECK(gone == 2);
}

TEST_CASE("a caller may go from within its own sink") {
    Dispatcher dispatcher;
    RequestPtr kept;
    dispatcher.add("add", [&](const RequestPtr& request) { kept = request; });
    auto call = std::make_unique<Call>();
    int heard = 0;
    *call = dispatcher.call("add", Json::object(), {}, [&](const FromDaemon&) {
        ++heard;
        call.reset();
    });
    kept->event("one");
    kept->event("two");
    kept.reset();
    CHECK(heard == 1);
}
