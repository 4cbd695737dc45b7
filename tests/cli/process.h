// Running the real `kith` as a child: with pipes, or on a terminal of its own.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace kith::cli_test {

// A folder with the programs side by side (bin/kith, and the test's daemon as bin/kithd) and a home for a
// profile. At the end the daemon, if any, is stopped and all is removed.
class Setting {
  public:
    Setting();
    ~Setting();
    Setting(const Setting&) = delete;
    Setting& operator=(const Setting&) = delete;

    std::filesystem::path root, home, kith;
    void scenario(const std::string& name) const;
    std::string seen() const;                                                     // what the daemon noted
    std::string file(const std::string& name, const std::string& content) const;  // returns its path
    // {kith, "--home", home, ...}
    std::vector<std::string> command(std::vector<std::string> words) const;
};

std::string read_all(const std::filesystem::path& path);

struct Outcome {
    int code = -1;  // 128 + signal when it was killed
    std::string out, err;
};
// Runs to the end of the program and of everything that holds its output.
Outcome run(const std::vector<std::string>& command, const std::string& input = "",
            const std::vector<std::string>& environment = {});

// A program on a pseudo terminal of 80 columns.
class Terminal {
  public:
    explicit Terminal(const std::vector<std::string>& command);
    ~Terminal();
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    // Waits until `text` has come in behind what earlier calls found. False: it did not, in 20 s or by the
    // end.
    bool expect(const std::string& text);
    void type(const std::string& keys);  // "\x03" is Ctrl-C
    int wait();                          // until the end of the program; its exit code
    const std::string& screen() const { return screen_; }

  private:
    bool read_some();
    int fd_ = -1;
    pid_t child_ = -1;
    std::string screen_;
    std::size_t found_ = 0;
};

// A program with open pipes, for talking with it line by line.
class Dialogue {
  public:
    explicit Dialogue(const std::vector<std::string>& command);
    ~Dialogue();
    Dialogue(const Dialogue&) = delete;
    Dialogue& operator=(const Dialogue&) = delete;

    std::optional<std::string> line();  // the next line of standard output; nothing at its end or after 20 s
    void say(const std::string& text);
    void end_input();
    void interrupt() const;
    int wait();

  private:
    int in_ = -1, out_ = -1;
    pid_t child_ = -1;
    std::string buffer_;
};

}  // namespace kith::cli_test
