#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "base/limits.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/save.h"
#include "cli/text.h"
#include "wire/json.h"

namespace kith::cli {
namespace {

struct ImportOptions {
    std::string path, format = "auto";
    bool accounts = false;
};

int import(Context& context, const ImportOptions& options) {
    auto path = absolute_path(options.path);
    if (!path) return context.out.error(path.error());
    Progress progress(context.out);
    Json skipped = Json::array();
    auto on_event = [&](const control::Event& event) {
        if (event.name == "progress") {
            auto done = number_in(event.fields, "done"), total = number_in(event.fields, "total");
            progress.show(std::to_string(done) + " of " + count_text(total, "file", "files") + ", " +
                              size_text(number_in(event.fields, "bytes")),
                          done, total, false);
        } else if (event.name == "skipped") {
            if (skipped.size() < limits::control_skipped) skipped.push_back(event.fields);
            context.out.say("skipped " + text_in(event.fields, "path") + ": " + text_in(event.fields, "why"));
        }
    };
    Json args{{"path", *path}, {"format", options.format}};
    if (options.accounts) args["accounts"] = true;
    auto result = call(context, {"history.import", std::move(args), {}}, on_event);
    progress.end();
    if (result && result->is_object()) (*result)["skipped_files"] = std::move(skipped);
    return conclude(context, result, [&](const Json& counts) {
        context.out.say(std::to_string(number_in(counts, "imported")) + " taken in, " +
                        std::to_string(number_in(counts, "known")) + " known before, " +
                        std::to_string(number_in(counts, "skipped")) + " skipped");
        for (const auto& account : list_in(counts, "accounts")) {
            const auto name = text_in(account, "alias") + " at " + text_in(account, "address");
            if (account.value("here", false))
                context.out.say(name + " is this device's now: do not start the old client with it again");
            else
                context.out.say(name + ": its history alone; --accounts takes the account over too");
        }
    });
}

void show_values(Context& context, const Json& object) {
    std::vector<std::vector<std::string>> rows;
    if (object.is_object())
        for (const auto& [key, value] : object.items()) {
            std::string text = value.is_string() ? clean(value.get_ref<const std::string&>())
                               : key == "bytes" && value.is_number() ? size_text(number_in(object, "bytes"))
                                                                     : clean(wire::json_text(value));
            rows.push_back({clean(key), text});
        }
    context.out.write(table(rows));
}

int print_values(Context& context, const char* method) {
    return conclude(context, call(context, {method, Json::object(), {}}),
                    [&](const Json& result) { show_values(context, result); });
}

struct ListOptions {
    std::uint64_t limit = 20;
    std::string before;
};

// Asks page by page: one answer holds limits::control_list records at most.
Result<Json> fetch_list(const Context& context, ListOptions options) {
    Json all = Json::array();
    while (all.size() < options.limit) {
        auto page_size = std::min<std::uint64_t>(options.limit - all.size(), limits::control_list);
        Json args{{"limit", page_size}};
        if (!options.before.empty()) args["before"] = options.before;
        KITH_TRY_VALUE(reply, call(context, {"history.list", std::move(args), {}}));
        Json page = list_in(reply);
        for (auto& item : page) all.push_back(std::move(item));
        if (page.size() < page_size || !all.back().is_object()) break;
        options.before = all.back().value("id", std::string());
        if (options.before.empty()) break;
    }
    return all;
}

void show_list(Context& context, const Json& items) {
    // On a terminal a line each; elsewhere everything.
    bool narrow = context.out.terminal();
    std::vector<std::vector<std::string>> rows;
    for (const auto& item : items) {
        std::string id = text_in(item, "id"), from = text_in(item, "from"),
                    subject = text_in(item, "subject");
        if (narrow) {
            id = id.substr(0, 12);
            from = cut(from, 24);
            auto used = std::size_t{12 + 2 + 16 + 2 + 24 + 2};
            subject = cut(subject, context.out.columns() > used + 10 ? context.out.columns() - used - 1 : 10);
        }
        rows.push_back({id, local_time(text_in(item, "time")), from, subject});
    }
    context.out.write(table(rows));
}

int list(Context& context, const ListOptions& options) {
    return conclude(context, fetch_list(context, options),
                    [&](const Json& items) { show_list(context, items); });
}

struct SearchOptions {
    std::vector<std::string> words;
    std::uint64_t limit = 20;
};

int search(Context& context, const SearchOptions& options) {
    std::string words;
    for (const auto& word : options.words) words += words.empty() ? word : " " + word;
    Json args{{"words", words}, {"limit", options.limit}};
    return conclude(context, call(context, {"history.search", std::move(args), {}}), [&](const Json& result) {
        auto hits = list_in(result, "hits");
        show_list(context, hits);
        if (result.is_object() && result.value("complete", Json()) == true) {
            if (hits.empty()) context.out.note("Nothing found.");
            return;
        }
        auto reaches = text_in(result, "reaches");
        context.out.note(
            (reaches.empty() ? "not everything is searched yet" : "searched back to " + local_time(reaches)) +
            "; " + std::to_string(number_in(result, "indexed")) + " of " +
            count_text(number_in(result, "of"), "message", "messages") + " are indexed so far");
    });
}

struct ShowOptions {
    std::string id, save;
    bool raw = false;
};

int show_raw(Context& context, const std::string& id) {
    if (isatty(STDOUT_FILENO) == 1)
        return context.out.error({Fault::refused, "raw bytes could take control of the terminal",
                                  "send them to a file: kith history show ID --raw > FILE"});
    auto fetched = fetch_bytes(context, id, std::nullopt, [&](ByteView bytes) -> Result<> {
        context.out.raw(as_text(bytes));
        if (!context.out.flush())
            return fail(Fault::io, "the bytes cannot be written", "check where they go");
        return {};
    });
    return fetched ? exit_ok : context.out.error(fetched.error());
}

Result<Json> fetch_item(const Context& context, const ShowOptions& options) {
    KITH_TRY_VALUE(item, call(context, {"history.show", {{"id", options.id}}, {}}));
    if (options.save.empty() || !item.is_object()) return item;
    KITH_TRY_VALUE(folder, absolute_path(options.save));
    Json saved = Json::array();
    std::size_t number = 0;
    for (const auto& attachment : list_in(item, "attachments")) {
        KITH_TRY_VALUE(path,
                       save_attachment(context, options.id, number, text_in(attachment, "name"), folder));
        saved.push_back(path.string());
        ++number;
    }
    item["saved"] = std::move(saved);
    return item;
}

int show(Context& context, const ShowOptions& options) {
    if (options.raw) return show_raw(context, options.id);
    return conclude(context, fetch_item(context, options), [&](const Json& item) {
        auto& out = context.out;
        for (auto [title, key] :
             {std::pair{"From:    ", "from"}, {"To:      ", "to"}, {"Subject: ", "subject"}})
            if (auto text = text_in(item, key); !text.empty()) out.say(title + text);
        for (const auto& copy : list_in(item, "cc")) out.say("Also to: " + text_in(copy, "alias"));
        out.say("Time:    " + local_time(text_in(item, "time")));
        std::string tags;
        for (const auto& tag : list_in(item, "tags"))
            if (tag.is_string())
                tags += (tags.empty() ? "" : ", ") + clean(tag.get_ref<const std::string&>());
        if (!tags.empty()) out.say("Tags:    " + tags);
        if (auto seen = text_in(item, "seen"); !seen.empty()) out.say("Read:    " + local_time(seen));
        for (const auto& file : list_in(item, "attachments"))
            out.say("File:    " + text_in(file, "name") + " (" + text_in(file, "type") + ", " +
                    size_text(number_in(file, "size")) +
                    (file.value("here", true) ? ")" : ", not here yet)"));
        out.say("");
        if (item.is_object() && item.contains("body") && item["body"].is_string())
            out.say(clean(item["body"].get_ref<const std::string&>(), Keep::lines));
        if (item.is_object() && item.contains("truncated") && item["truncated"] == true)
            out.note("There is more of it: kith history show ID --raw");
        for (const auto& path : list_in(item, "saved"))
            if (path.is_string()) out.say("saved " + clean(path.get_ref<const std::string&>()));
    });
}

}  // namespace

void add_history_commands(CLI::App& app, Command& chosen) {
    auto* history = app.add_subcommand("history", "messages and mails of this person");
    history->require_subcommand(1);
    add_holding_commands(*history, chosen);
    {
        auto options = std::make_shared<ImportOptions>();
        auto* command = history->add_subcommand("import", "take in mails, or another client's messages");
        command
            ->add_option("PATH", options->path,
                         "a file, a folder of mails, a Maildir, or the folder 'store' of mnm")
            ->required();
        command->add_option("--format", options->format, "mbox, mnm, or auto: find out")
            ->check(CLI::IsMember({"auto", "mbox", "mnm"}));
        command->add_flag("--accounts", options->accounts, "of mnm: take its accounts over as well");
        command->callback(
            [=, &chosen] { chosen = [=](Context& context) { return import(context, *options); }; });
    }
    history->add_subcommand("stats", "how much there is")->callback([&chosen] {
        chosen = [](Context& context) { return print_values(context, "history.stats"); };
    });
    history->add_subcommand("digest", "one value for all there is: equal on devices with the same history")
        ->callback(
            [&chosen] { chosen = [](Context& context) { return print_values(context, "history.digest"); }; });
    {
        auto options = std::make_shared<ListOptions>();
        auto* command = history->add_subcommand("list", "the newest first");
        command->add_option("--limit", options->limit, "how many at most (20)")
            ->check(CLI::Range(1, 1000000));
        command->add_option("--before", options->before, "only what is older than this id");
        command->callback(
            [=, &chosen] { chosen = [=](Context& context) { return list(context, *options); }; });
    }
    {
        auto options = std::make_shared<SearchOptions>();
        auto* command = history->add_subcommand("search", "messages with all these words, the newest first");
        command
            ->add_option(
                "WORDS", options->words,
                "words of sender, recipient, subject, text or files' names; '\"two words\"' stand together, "
                "begin* is the start of a word")
            ->required();
        command->add_option("--limit", options->limit, "how many at most (20)")
            ->check(CLI::Range(std::size_t{1}, limits::control_list));
        command->callback(
            [=, &chosen] { chosen = [=](Context& context) { return search(context, *options); }; });
    }
    add_show_command(*history, chosen);
}

void add_show_command(CLI::App& parent, Command& chosen) {
    auto options = std::make_shared<ShowOptions>();
    auto* command = parent.add_subcommand("show", "one of them");
    command->add_option("ID", options->id, "its id, or the first 8 or more digits of it")->required();
    auto* raw =
        command->add_flag("--raw", options->raw, "its bytes exactly as they came, to standard output");
    command->add_option("--save", options->save, "write its attachments into this folder")->excludes(raw);
    command->callback([=, &chosen] { chosen = [=](Context& context) { return show(context, *options); }; });
}

}  // namespace kith::cli
