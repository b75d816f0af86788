// Runs the files of a folder through a fuzzer, every one of their beginnings, and then for some
// seconds what chance makes of them. Without a guide it finds less than libFuzzer, but needs no
// compiler of its own. An input that breaks something is left as broken-NAME in the current
// directory.
//
// APK_FUZZ_SECONDS (2) and APK_FUZZ_SEED (1; "random") change it.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr size_t kBeginningsMax = 400;
constexpr size_t kInputBytesMax = 64 * 1024;

std::string_view running;
std::string broken_path;

void KeepInput(int signal_number) {
  const int file = open(broken_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file >= 0 && write(file, running.data(), running.size()) >= 0) {
    constexpr std::string_view kSaid = "the input is kept as broken-NAME\n";
    if (write(STDERR_FILENO, kSaid.data(), kSaid.size()) < 0) _exit(1);
  }
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

void Run(std::string_view input) {
  running = input;
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

std::vector<std::string> ReadAll(const char* folder) {
  std::vector<std::string> inputs;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    inputs.emplace_back((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  }
  std::sort(inputs.begin(), inputs.end());  // The same order everywhere.
  return inputs;
}

// Changes inputs by chance, with pieces of each other.
class Mutator {
 public:
  Mutator(const std::vector<std::string>& inputs, uint64_t seed) : inputs_(inputs), random_(seed) {}

  std::string Next() {
    std::string input = Any();
    for (size_t left = 1 + Below(4); left > 0; --left) Change(input);
    if (input.size() > kInputBytesMax) input.resize(kInputBytesMax);
    return input;
  }

 private:
  size_t Below(size_t end) { return end == 0 ? 0 : random_() % end; }
  const std::string& Any() { return inputs_[Below(inputs_.size())]; }

  std::string_view Piece(std::string_view of) {
    const size_t begin = Below(of.size());
    return of.substr(begin, 1 + Below(std::min<size_t>(of.size() - begin, 64)));
  }

  void Change(std::string& input) {
    constexpr std::string_view kTelling("\0\1\x7f\x80\xff\r\n :,;/.%\"'{}[]09", 23);
    const size_t place = Below(input.size() + 1);
    switch (Below(6)) {
      case 0:
        if (place < input.size()) input[place] = static_cast<char>(input[place] ^ (1 << Below(8)));
        break;
      case 1:
        if (place < input.size()) input[place] = kTelling[Below(kTelling.size())];
        break;
      case 2:
        input.insert(place, 1 + Below(3), kTelling[Below(kTelling.size())]);
        break;
      case 3:
        input.erase(place, 1 + Below(16));
        break;
      case 4:
        if (const std::string& other = Any(); !other.empty()) input.insert(place, Piece(other));
        break;
      default:
        if (!input.empty()) input.insert(place, std::string(Piece(input)));
    }
  }

  const std::vector<std::string>& inputs_;
  std::mt19937_64 random_;
};

double SecondsFromEnvironment() {
  const char* const text = std::getenv("APK_FUZZ_SECONDS");
  return text == nullptr ? 2 : std::atof(text);
}

uint64_t SeedFromEnvironment() {
  const char* const text = std::getenv("APK_FUZZ_SEED");
  if (text == nullptr) return 1;
  return std::string_view(text) == "random" ? std::random_device()()
                                            : std::strtoull(text, nullptr, 10);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  broken_path = "broken-" + std::filesystem::path(argv[0]).filename().string();
  for (const int number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) signal(number, KeepInput);
  const std::vector<std::string> inputs = ReadAll(argv[1]);
  if (inputs.empty()) {
    std::fprintf(stderr, "%s: no inputs\n", argv[1]);
    return 1;
  }
  for (const std::string& input : inputs) {
    const size_t step = std::max<size_t>(1, input.size() / kBeginningsMax);
    for (size_t size = 0; size < input.size(); size += step)
      Run(std::string_view(input).substr(0, size));
    Run(input);
  }
  const uint64_t seed = SeedFromEnvironment();
  Mutator mutator(inputs, seed);
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::duration<double>(SecondsFromEnvironment());
  size_t made = 0;
  for (; std::chrono::steady_clock::now() < end; ++made) {
    const std::string input = mutator.Next();
    Run(input);
  }
  std::printf("%zu inputs, %zu made of them with seed %llu\n", inputs.size(), made,
              static_cast<unsigned long long>(seed));
  return 0;
}
