#include "store/blob_store.h"

#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>

#include "base/limits.h"
#include "crypto/hash.h"
#include "store/support.h"

using namespace kith;
using namespace kith::store;
using namespace kith::store::test;

namespace {

constexpr auto piece = limits::blob_piece;

Bytes noise(std::size_t size, std::uint64_t seed = 1) {
    SeededRandom random(seed);
    Bytes bytes(size);
    random.fill(bytes);
    return bytes;
}

history::BlobHasher::Named name(ByteView whole) {
    history::BlobHasher hasher;
    hasher.add(whole);
    return hasher.finish();
}

ByteView piece_of(ByteView whole, std::uint64_t index) {
    return whole.subspan(index * piece, history::piece_size(whole.size(), index));
}

struct Blobs {
    Blobs() : profile(folder.path) { open(); }
    void open() { store = must(BlobStore::open(folder.path / "blobs", *profile.db, key_of_byte(7))); }
    std::size_t files() const {
        std::size_t count = 0;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path / "blobs"))
            count += entry.is_regular_file();
        return count;
    }
    std::filesystem::path only_file() const {
        for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path / "blobs"))
            if (entry.is_regular_file()) return entry.path();
        return {};
    }
    Bytes read(const BlobId& id, std::uint64_t size) {
        Bytes whole;
        for (std::uint64_t i = 0; i < history::piece_count(size); ++i)
            append(whole, must(store->read_piece(id, i)));
        return whole;
    }
    TempFolder folder;
    Profile profile;
    std::unique_ptr<BlobStore> store;
};

}  // namespace

TEST_CASE("a blob is kept and read back, whatever its size") {
    Blobs blobs;
    for (std::size_t size : {std::size_t{1}, piece - 1, piece, piece + 1, 3 * piece}) {
        const auto whole = noise(size, size);
        const auto named = must(blobs.store->write(whole));
        CHECK(named.id == name(whole).id);
        CHECK(must(blobs.store->info(named.id)).state == BlobState::complete);
        CHECK(blobs.read(named.id, size) == whole);
        CHECK(must(blobs.store->piece_hashes(named.id)) == name(whole).piece_hashes);
        CHECK(fault_of(blobs.store->read_piece(named.id, history::piece_count(size))) == Fault::invalid);
    }
    blobs.open();
    CHECK(blobs.files() == 5);
    CHECK(must(blobs.store->write(noise(1, 1))).size == 1);  // here already
    CHECK(blobs.files() == 5);
    CHECK(fault_of(blobs.store->write(ByteView())) == Fault::refused);
}

TEST_CASE("a source that changes while it is read leaves nothing") {
    Blobs blobs;
    int calls = 0;
    auto changing = [&](std::uint64_t, std::span<std::uint8_t> into) -> Result<> {
        std::fill(into.begin(), into.end(), static_cast<std::uint8_t>(++calls));
        return {};
    };
    CHECK(fault_of(blobs.store->write(70000, changing)) == Fault::io);
    auto failing = [&](std::uint64_t, std::span<std::uint8_t>) -> Result<> {
        return fail(Fault::io, "gone");
    };
    CHECK(fault_of(blobs.store->write(70000, failing)) == Fault::io);
    CHECK(blobs.files() == 0);
}

TEST_CASE("a blob is received in any order, piece by piece") {
    Blobs blobs;
    const auto whole = noise(2 * piece + 5);
    const auto named = name(whole);
    CHECK(fault_of(blobs.store->put_piece(named.id, 0, piece_of(whole, 0))) == Fault::not_found);
    CHECK(fault_of(blobs.store->piece_hashes(named.id)) == Fault::not_found);
    must(blobs.store->begin(named.id, named.size, named.piece_hashes));
    CHECK(must(blobs.store->missing_pieces(named.id, 10)) == std::vector<std::uint64_t>{0, 1, 2});
    CHECK(must(blobs.store->missing_pieces(named.id, 1)) == std::vector<std::uint64_t>{0});
    must(blobs.store->put_piece(named.id, 2, piece_of(whole, 2)));
    must(blobs.store->put_piece(named.id, 2, piece_of(whole, 2)));  // twice
    must(blobs.store->put_piece(named.id, 0, piece_of(whole, 0)));
    CHECK(fault_of(blobs.store->read_piece(named.id, 0)) == Fault::not_found);
    CHECK(fault_of(blobs.store->finish(named.id)) == Fault::refused);
    must(blobs.store->begin(named.id, named.size, named.piece_hashes));  // again
    must(blobs.store->put_piece(named.id, 1, piece_of(whole, 1)));
    must(blobs.store->finish(named.id));
    must(blobs.store->finish(named.id));
    must(blobs.store->put_piece(named.id, 1, piece_of(whole, 1)));  // late
    CHECK(must(blobs.store->missing_pieces(named.id, 10)).empty());
    CHECK(blobs.read(named.id, named.size) == whole);
}

TEST_CASE("pieces and lists that are not what the id names are refused") {
    Blobs blobs;
    const auto whole = noise(piece + 5);
    const auto named = name(whole);
    auto other = named.piece_hashes;
    other[0] ^= 1;
    CHECK(fault_of(blobs.store->begin(named.id, named.size, other)) == Fault::protocol);
    CHECK(fault_of(blobs.store->begin(named.id, named.size + 1, named.piece_hashes)) == Fault::protocol);
    CHECK(fault_of(blobs.store->begin(named.id, named.size, ByteView(named.piece_hashes).first(32))) ==
          Fault::protocol);
    CHECK(fault_of(blobs.store->begin(named.id, 0, {})) == Fault::refused);
    CHECK(fault_of(blobs.store->begin(named.id, ~std::uint64_t{0}, {})) == Fault::refused);
    CHECK(fault_of(blobs.store->begin(named.id, std::uint64_t{1} << 50, {})) == Fault::refused);
    must(blobs.store->begin(named.id, named.size, named.piece_hashes));
    CHECK(fault_of(blobs.store->put_piece(named.id, 1, piece_of(whole, 0))) == Fault::protocol);
    CHECK(fault_of(blobs.store->put_piece(named.id, 0, piece_of(whole, 1))) == Fault::protocol);
    CHECK(fault_of(blobs.store->put_piece(named.id, 2, piece_of(whole, 1))) == Fault::protocol);
    CHECK(fault_of(blobs.store->put_piece(named.id, ~std::uint64_t{0}, {})) == Fault::protocol);
    auto damaged = to_bytes(piece_of(whole, 1));
    damaged[0] ^= 1;
    CHECK(fault_of(blobs.store->put_piece(named.id, 1, damaged)) == Fault::protocol);
    CHECK(must(blobs.store->missing_pieces(named.id, 10)).size() == 2);
}

TEST_CASE("what was synced is not received again after the program was killed") {
    Blobs blobs;
    const auto whole = noise(20 * piece);
    const auto named = name(whole);
    must(blobs.store->begin(named.id, named.size, named.piece_hashes));
    for (std::uint64_t i = 0; i < 18; ++i) must(blobs.store->put_piece(named.id, i, piece_of(whole, i)));
    blobs.open();  // as after a crash: what was in memory is gone
    CHECK(must(blobs.store->missing_pieces(named.id, 100)) == std::vector<std::uint64_t>{16, 17, 18, 19});
    for (std::uint64_t i = 16; i < 20; ++i) must(blobs.store->put_piece(named.id, i, piece_of(whole, i)));
    must(blobs.store->finish(named.id));
    CHECK(blobs.read(named.id, named.size) == whole);
}

TEST_CASE("more blobs at once than are kept in memory lose nothing") {
    Blobs blobs;
    std::vector<Bytes> wholes;
    for (std::size_t i = 0; i < 2 * limits::blobs_receiving; ++i) wholes.push_back(noise(piece + 9, i));
    for (const auto& whole : wholes)
        must(blobs.store->begin(name(whole).id, whole.size(), name(whole).piece_hashes));
    for (std::uint64_t index : {1, 0})
        for (const auto& whole : wholes)
            must(blobs.store->put_piece(name(whole).id, index, piece_of(whole, index)));
    for (const auto& whole : wholes) {
        must(blobs.store->finish(name(whole).id));
        CHECK(blobs.read(name(whole).id, whole.size()) == whole);
    }
}

TEST_CASE("a file that was cut off is noticed, and the blob is fetched again") {
    Blobs blobs;
    const auto whole = noise(piece + 5);
    const auto named = name(whole);
    must(blobs.store->begin(named.id, named.size, named.piece_hashes));
    for (std::uint64_t i : {0, 1}) must(blobs.store->put_piece(named.id, i, piece_of(whole, i)));
    std::filesystem::resize_file(blobs.only_file(), 1000);
    CHECK(fault_of(blobs.store->finish(named.id)) == Fault::corrupt);
    must(blobs.store->begin(named.id, named.size, named.piece_hashes));
    CHECK(must(blobs.store->missing_pieces(named.id, 10)).size() == 2);
    for (std::uint64_t i : {0, 1}) must(blobs.store->put_piece(named.id, i, piece_of(whole, i)));
    must(blobs.store->finish(named.id));
    CHECK(blobs.read(named.id, named.size) == whole);
}

TEST_CASE("a damaged or shortened file of a complete blob is an error") {
    Blobs blobs;
    const auto whole = noise(100000);
    const auto named = must(blobs.store->write(whole));
    const auto path = blobs.only_file();
    {
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekg(500);
        const char byte = static_cast<char>(file.get() ^ 1);
        file.seekp(500);
        file.put(byte);
    }
    CHECK(fault_of(blobs.store->read_piece(named.id, 0)) == Fault::corrupt);
    std::filesystem::resize_file(path, 500);
    CHECK(fault_of(blobs.store->read_piece(named.id, 0)) == Fault::corrupt);
    std::filesystem::remove(path);
    CHECK(fault_of(blobs.store->read_piece(named.id, 0)) == Fault::not_found);
}

TEST_CASE("files that no row knows are removed at the start, others stay") {
    Blobs blobs;
    const auto kept = must(blobs.store->write(noise(70000, 1)));
    const auto orphan = must(blobs.store->write(noise(70000, 2)));
    must(blobs.profile.db->run("DELETE FROM blob WHERE id = ?", orphan.id));
    std::ofstream(blobs.folder.path / "blobs" / "readme") << "not ours, and not in a place of ours";
    CHECK(blobs.files() == 3);
    blobs.open();
    CHECK(blobs.files() == 2);
    CHECK(blobs.read(kept.id, kept.size) == noise(70000, 1));
}

TEST_CASE("blobs that no record names are removed when told to") {
    Blobs blobs;
    const auto named = must(blobs.store->write(noise(70000, 1)));
    const auto loose = must(blobs.store->write(noise(70000, 2)));
    history::Record record;
    record.kind = history::kind::mail;
    record.parts.push_back(blob_part(named.id, named.size));
    must(blobs.profile.history->add(std::vector<NewRecord>{new_record(record)}));
    CHECK(must(blobs.store->remove_unreferenced()) == 1);
    CHECK(blobs.files() == 1);
    CHECK(must(blobs.store->info(named.id)).state == BlobState::complete);
    CHECK(fault_of(blobs.store->info(loose.id)) == Fault::not_found);
}

TEST_CASE("a record's wrong claim of a blob's size is put right by the blob itself") {
    Blobs blobs;
    const auto whole = noise(70000);
    const auto named = name(whole);
    history::Record record;
    record.kind = history::kind::mail;
    record.parts.push_back(blob_part(named.id, 1234567));
    must(blobs.profile.history->add(std::vector<NewRecord>{new_record(record)}));
    CHECK(must(blobs.profile.history->totals()).bytes_missing == 1234567);
    must(blobs.store->begin(named.id, named.size, named.piece_hashes));
    must(blobs.store->put_piece(named.id, 0, whole));
    must(blobs.store->finish(named.id));
    const auto totals = must(blobs.profile.history->totals());
    CHECK(totals.bytes_missing == 0);
    CHECK(totals.blobs_missing == 0);
    CHECK(totals.blob_bytes == 70000);
}

TEST_CASE("no space for a blob is said, and leaves nothing half done") {
    Blobs blobs;
    const auto whole = noise(3 * piece);
    const auto named = name(whole);
    must(blobs.store->begin(named.id, named.size, named.piece_hashes));
    must(blobs.store->put_piece(named.id, 0, piece_of(whole, 0)));
    // A limit on the size of files stands for the end of the disk.
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    rlimit small = before;
    small.rlim_cur = piece + piece / 2;
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    const auto put = blobs.store->put_piece(named.id, 1, piece_of(whole, 1));
    const auto write = blobs.store->write(noise(2 * piece, 2));
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
    std::signal(SIGXFSZ, handler);
    CHECK(fault_of(put) == Fault::disk_full);
    CHECK(fault_of(write) == Fault::disk_full);
    CHECK(blobs.files() == 1);
    CHECK(must(blobs.store->missing_pieces(named.id, 10)) == std::vector<std::uint64_t>{1, 2});
    for (std::uint64_t i : {1, 2}) must(blobs.store->put_piece(named.id, i, piece_of(whole, i)));
    must(blobs.store->finish(named.id));
    CHECK(blobs.read(named.id, named.size) == whole);
}

TEST_CASE("free space is told for a folder that is there") {
    TempFolder folder;
    CHECK(must(free_bytes(folder.path)) > 0);
    CHECK(fault_of(free_bytes(folder.path / "nowhere")) == Fault::io);
}

TEST_CASE("a blob whose file is gone is counted as missing, and can be received again") {
    Blobs blobs;
    const auto whole = noise(5000);
    const auto named = must(blobs.store->write(whole));
    std::filesystem::remove(blobs.only_file());
    blobs.open();
    CHECK(must(blobs.store->info(named.id)).state == BlobState::missing);
    must(blobs.store->begin(named.id, whole.size(), named.piece_hashes));
    must(blobs.store->put_piece(named.id, 0, whole));
    must(blobs.store->finish(named.id));
    CHECK(blobs.read(named.id, whole.size()) == whole);
}
