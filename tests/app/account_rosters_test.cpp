// What a device keeps of accounts' rosters, and the node that it wants in one.
#include "app/account_rosters.h"

#include "app/home.h"
#include "app/trust_limits.h"
#include "roster/people.h"

using namespace kith;
using namespace kith::app;

TEST_CASE(
    "a request is made anew with another secret when its hash is another node's, and none is forgotten") {
    SeededRandom random(21);
    Profile profile(make_home(), random);
    must(profile.found("one", {}, {0, 1'700'000'000'000}));
    AccountRosters rosters(profile, random);
    const auto account = crypto::random_id<AccountId>(random);
    const auto begun = account::begin(random);
    const auto nodeid = [&] { return must(rosters.wanted_nodeid(account))->copy(); };
    const auto request = [&] {
        const auto list = must(rosters.wanted());
        REQUIRE(list.size() == 1);
        return must(roster::read_request(*roster::unpack_request(list[0].request)));
    };
    CHECK_FALSE(must(rosters.want_another(account, {})));  // it wants none
    REQUIRE(must(rosters.want_node(account, begun.id)));
    std::vector<SecretBytes> secrets;
    for (std::size_t i = 0; i < limits::former_nodeids; ++i) {
        secrets.insert(secrets.begin(), nodeid());
        const auto former = request();
        CHECK(former.link_key == account::hash_of(secrets.front()));
        CHECK_FALSE(must(rosters.want_another(account, crypto::random_id<LinkPublic>(random))));
        CHECK(must(rosters.want_another(account, former.link_key)));
        CHECK_FALSE(must(rosters.want_another(account, former.link_key)));  // said twice
        // All else is as it was: it is the same device's.
        CHECK(request().link_key == account::hash_of(nodeid()));
        CHECK(request().link_key != former.link_key);
        CHECK(request().device_key == former.device_key);
        CHECK(request().act_key == former.act_key);
        CHECK(request().nonce == former.nonce);
    }
    const auto last = request().link_key;
    CHECK_FALSE(must(rosters.want_another(account, last)));  // not without end
    CHECK(must(rosters.want_node(account, begun.id)));
    CHECK(request().link_key == last);
    CHECK(must(rosters.want_node(account, account::begin(random).id)));  // nor by naming other rosters
    CHECK(request().link_key == last);
    // Who was handed an earlier one may have added it: a login tries them all.
    must(rosters.node_given(account));
    const auto tried = must(rosters.proposed(account));
    REQUIRE(tried.size() == secrets.size());
    for (std::size_t i = 0; i < tried.size(); ++i)
        CHECK(as_text(tried[i].view()) == as_text(secrets[i].view()));
    CHECK_FALSE(must(rosters.wanted_nodeid(account)));
}

TEST_CASE("the secret that was made for one roster is not forgotten when a device names another") {
    SeededRandom random(22);
    Profile profile(make_home(), random);
    must(profile.found("one", {}, {0, 1'700'000'000'000}));
    AccountRosters rosters(profile, random);
    const auto account = crypto::random_id<AccountId>(random);
    const auto first = account::begin(random).id, second = account::begin(random).id;
    REQUIRE(must(rosters.want_node(account, first)));
    const auto secret = must(rosters.wanted_nodeid(account))->copy();
    REQUIRE(must(rosters.want_node(account, second)));
    CHECK(as_text(must(rosters.wanted_nodeid(account))->view()) != as_text(secret.view()));
    must(rosters.node_given(account));
    const auto tried = must(rosters.proposed(account));
    REQUIRE(tried.size() == 1);
    CHECK(as_text(tried[0].view()) == as_text(secret.view()));
}
