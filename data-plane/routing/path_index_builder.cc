// Measures first, then writes into one piece of memory.
#include "data-plane/routing/path_index_builder.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace apk {
namespace {

// No more for each of several groups, so that few overflow, and never all.
constexpr size_t kKeysPerGroup = 8;

// What of a literal ends with a segment, without the slash behind it.
std::string_view WholeSegments(std::string_view literal) {
  const size_t slash = literal.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : literal.substr(0, slash);
}

size_t RoundUp(size_t size, size_t unit) { return (size + unit - 1) / unit * unit; }

// A record does not lie across more lines than it must.
size_t PlaceFor(size_t size, size_t end) {
  const size_t aligned = RoundUp(end, alignof(std::max_align_t));
  const size_t lines = RoundUp(size, PathIndex::kLine);
  return aligned % PathIndex::kLine + size > lines ? RoundUp(aligned, PathIndex::kLine) : aligned;
}

size_t GroupsFor(size_t keys) {
  return keys <= PathIndex::kGroupKeys ? 1
                                       : std::bit_ceil((keys + kKeysPerGroup - 1) / kKeysPerGroup);
}

const std::string& ProgramOf(const RequestMatch& match) { return match.expression->program(); }

}  // namespace

void PathIndexBuilder::Add(const std::string& base_path, const RequestMatch& match) {
  const Entry entry = EntryOf(base_path, match);
  switch (match.path_kind) {
    case PathKind::kExact:
      // Below a base path "/" is the base path itself.
      if (!base_path.empty() && match.path == "/") {
        keys_[base_path].exact.push_back(entry);
      } else {
        keys_[Concat(base_path, match.path)].exact.push_back(entry);
      }
      break;
    case PathKind::kRegularExpression:
      keys_[Concat(base_path, WholeSegments(match.expression->literal_prefix()))]
          .expressions.push_back(entry);
      break;
    case PathKind::kPrefix:
      keys_[Concat(base_path, match.path)].prefixes.push_back(entry);
      break;
  }
}

void PathIndexBuilder::Sort(Items& items) {
  const auto by_precedence = [](const Entry& a, const Entry& b) {
    return GoesBefore(*a.match, *b.match);
  };
  std::sort(items.exact.begin(), items.exact.end(), by_precedence);
  std::sort(items.prefixes.begin(), items.prefixes.end(), by_precedence);
  std::sort(items.expressions.begin(), items.expressions.end(), Entry::LongerFirst);
}

std::shared_ptr<const PathIndex> PathIndexBuilder::Build(std::string_view host) {
  const size_t groups = GroupsFor(keys_.size());
  const auto group_mask = static_cast<uint32_t>(groups - 1);
  const bool host_in_header = sizeof(PathIndex::Header) + host.size() <= PathIndex::kLine;
  size_t end = PathIndex::kLine + groups * sizeof(PathIndex::Group);
  const size_t host_offset = host_in_header ? sizeof(PathIndex::Header) : end;
  if (!host_in_header) end += host.size();
  PathIndex::Header header{};
  header.host_size = static_cast<uint32_t>(host.size());
  header.host_offset = static_cast<uint32_t>(host_offset);

  // Neighbours in the order of their paths, as requests of one client mostly are.
  std::vector<std::pair<const std::string, Items>*> sorted;
  for (auto& key : keys_) sorted.push_back(&key);
  std::sort(sorted.begin(), sorted.end(),
            [](const auto* a, const auto* b) { return a->first < b->first; });
  std::vector<size_t> places;
  for (auto* const key : sorted) {
    Sort(key->second);
    const size_t size = SizeOf(key->first, key->second);
    places.push_back(PlaceFor(size, end));
    end = places.back() + size;
  }

  auto index = std::make_shared<PathIndex>(end, group_mask);
  std::byte* const memory = index->memory_.get();
  std::memcpy(memory + host_offset, host.data(), host.size());
  for (size_t i = 0; i < sorted.size(); ++i) {
    const auto& [key, items] = *sorted[i];
    const PathKeys keys(key);
    Write(key, items, memory + places[i]);
    Insert(keys.hash(), places[i], memory, group_mask);
    if (!items.exact.empty()) header.exact = true;
    if (!items.expressions.empty()) header.expressions = true;
    if (items.expressions.empty() && items.prefixes.empty()) continue;
    header.longest = std::max(header.longest, static_cast<uint32_t>(key.size()));
    header.depths |= uint32_t{1} << keys.depth();
  }
  std::memcpy(memory, &header, sizeof(header));
  return index;
}

size_t PathIndexBuilder::SizeOf(std::string_view key, const Items& items) {
  const size_t entries = items.exact.size() + items.expressions.size() + items.prefixes.size();
  size_t size = sizeof(PathIndex::Record) + entries * sizeof(Entry) + key.size();
  for (const Entry& entry : items.expressions) size += entry.program_size;
  return size;
}

void PathIndexBuilder::Write(std::string_view key, const Items& items, std::byte* to) {
  std::byte* at = to;
  const auto write = [&at](const void* bytes, size_t size) {
    std::memcpy(at, bytes, size);
    at += size;
  };
  const PathIndex::Record record{.key_size = static_cast<uint32_t>(key.size()),
                                 .exact = static_cast<uint32_t>(items.exact.size()),
                                 .expressions = static_cast<uint32_t>(items.expressions.size()),
                                 .prefixes = static_cast<uint32_t>(items.prefixes.size())};
  write(&record, sizeof(record));
  const size_t entries = items.exact.size() + items.expressions.size() + items.prefixes.size();
  size_t program = sizeof(record) + entries * sizeof(Entry) + key.size();
  for (const auto* const kind : {&items.exact, &items.expressions, &items.prefixes}) {
    for (Entry entry : *kind) {
      entry.program = static_cast<uint32_t>(program);
      program += entry.program_size;
      write(&entry, sizeof(entry));
    }
  }
  write(key.data(), key.size());
  for (const Entry& entry : items.expressions) {
    write(ProgramOf(*entry.match).data(), entry.program_size);
  }
}

PathIndex::Entry PathIndexBuilder::EntryOf(const std::string& base_path,
                                           const RequestMatch& match) {
  Entry entry{};
  entry.rule = match.rule;
  entry.match = &match;
  entry.base_size = static_cast<uint32_t>(base_path.size());
  entry.path_size = static_cast<uint32_t>(match.path.size());
  if (match.expression.has_value()) {
    entry.program_size = static_cast<uint16_t>(ProgramOf(match).size());
  }
  entry.method = PathIndex::MethodNumber(match.method);
  if (match.tolerant) entry.flags |= PathIndex::kTolerant;
  if (match.wants_groups) entry.flags |= PathIndex::kGroups;
  if (entry.method == PathIndex::kOtherMethod || !match.headers.empty() ||
      !match.query_params.empty()) {
    entry.flags |= PathIndex::kConditions;
  }
  return entry;
}

void PathIndexBuilder::Insert(uint64_t hash, size_t record, std::byte* memory,
                              uint32_t group_mask) {
  auto* const groups = reinterpret_cast<PathIndex::Group*>(memory + PathIndex::kLine);
  for (size_t number = PathIndex::GroupOf(hash, group_mask);; number = (number + 1) & group_mask) {
    PathIndex::Group& group = groups[number];
    for (size_t i = 0; i < PathIndex::kGroupKeys; ++i) {
      if (group.records[i] != 0) continue;
      group.records[i] = static_cast<uint32_t>(record);
      group.tags[i / 8] |= PathIndex::TagOf(hash) << (i % 8 * 8);
      return;
    }
    group.tags[1] |= PathIndex::kOverflow;
  }
}

}  // namespace apk
