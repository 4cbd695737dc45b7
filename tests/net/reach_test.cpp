
TEST_CASE("only networks that this machine is attached to count as beside it") {
    for (const auto& address : kith::net::own_addresses()) CHECK(kith::net::directly_attached(address.raw));
    CHECK(kith::net::directly_attached(kith::Bytes{127, 0, 0, 1}));
    CHECK_FALSE(kith::net::directly_attached(kith::Bytes{192, 0, 2, 1}));  // for documentation: nobody's
    CHECK_FALSE(kith::net::directly_attached(kith::Bytes{127, 0, 0}));
}
