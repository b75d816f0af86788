// get and describe.
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "common/strings.h"
#include "control-plane/apkctl/commands.h"
#include "control-plane/apkctl/describe.h"
#include "control-plane/apkctl/table.h"
#include "control-plane/resources/json.h"
#include "control-plane/resources/label_selector.h"
#include "control-plane/resources/resource_set.h"

namespace apk {
namespace {

using Json = nlohmann::ordered_json;
using ObjectPtr = std::unique_ptr<google::protobuf::Message>;

struct Fetched {
  const Kind* kind = nullptr;
  std::vector<ObjectPtr> objects;
  uint64_t revision = 0;  // Of what was read.
};

std::string NamespaceOf(const GlobalFlags& global, const Session& session, const Kind& kind) {
  return kind.cluster_scoped || global.all_namespaces ? "" : session.namespace_name;
}

bool Append(const google::protobuf::Any& any, Fetched& fetched) {
  ObjectPtr object = Unpack(any);
  if (object == nullptr) {
    PrintError(Concat("the control plane sent a ", any.type_url(),
                      ", which this apkctl can't read: use the version of the control plane"));
    return false;
  }
  fetched.objects.push_back(std::move(object));
  return true;
}

// One object by name, or all of the kind. Prints what is wrong; nullopt then.
std::optional<Fetched> Fetch(const GlobalFlags& global, const Session& session,
                             const Target& target, const std::string& selector,
                             bool ignore_not_found = false) {
  Fetched fetched;
  fetched.kind = target.kind;
  if (!target.name.empty()) {
    v1::GetRequest request;
    request.mutable_key()->set_group(target.kind->group);
    request.mutable_key()->set_kind(target.kind->name);
    request.mutable_key()->set_name(target.name);
    if (!target.kind->cluster_scoped) request.mutable_key()->set_namespace_(session.namespace_name);
    const absl::StatusOr<v1::GetResponse> response = session.client->Get(request);
    if (absl::IsNotFound(response.status()) && ignore_not_found) return fetched;
    if (!response.ok()) {
      PrintError(response.status());
      return std::nullopt;
    }
    fetched.revision = response->revision();
    if (!Append(response->object(), fetched)) return std::nullopt;
    return fetched;
  }
  v1::ListRequest request;
  request.set_group(target.kind->group);
  request.set_kind(target.kind->name);
  request.set_namespace_(NamespaceOf(global, session, *target.kind));
  request.set_label_selector(selector);
  const absl::StatusOr<v1::ListResponse> response = session.client->List(request);
  if (!response.ok()) {
    PrintError(response.status());
    return std::nullopt;
  }
  fetched.revision = response->revision();
  for (const google::protobuf::Any& any : response->objects()) {
    if (!Append(any, fetched)) return std::nullopt;
  }
  return fetched;
}

TableOptions OptionsOf(const GlobalFlags& global, const GetFlags& flags) {
  TableOptions options;
  options.wide = flags.output == "wide";
  options.with_namespace = global.all_namespaces;
  options.now_unix_seconds = std::time(nullptr);
  return options;
}

void PrintTables(const GlobalFlags& global, const GetFlags& flags, const std::vector<Fetched>& all,
                 bool several_kinds) {
  bool first = true;
  for (const Fetched& fetched : all) {
    if (fetched.objects.empty()) continue;
    TableOptions options = OptionsOf(global, flags);
    options.with_kind = several_kinds;
    std::vector<Row> rows;
    if (!flags.no_headers) rows.push_back(HeaderOf(*fetched.kind, options));
    for (const ObjectPtr& object : fetched.objects)
      rows.push_back(RowOf(*fetched.kind, *object, options));
    if (!first) std::cout << "\n";
    first = false;
    std::cout << FormatTable(rows);
  }
}

Json ListOf(const std::vector<Fetched>& all) {
  Json list;
  list["apiVersion"] = "v1";
  list["items"] = Json::array();
  for (const Fetched& fetched : all) {
    for (const ObjectPtr& object : fetched.objects) list["items"].push_back(ToJson(*object));
  }
  list["kind"] = "List";
  list["metadata"] = {{"resourceVersion", ""}};
  return list;
}

std::string NameLine(const Kind& kind, const google::protobuf::Message& object) {
  return Concat(kind.QualifiedName(), "/", MetadataOf(object).name(), "\n");
}

void PrintAll(const GlobalFlags& global, const GetFlags& flags, const std::vector<Fetched>& all,
              bool single, bool several_kinds) {
  if (flags.output == "name") {
    for (const Fetched& fetched : all) {
      for (const ObjectPtr& object : fetched.objects) std::cout << NameLine(*fetched.kind, *object);
    }
  } else if (flags.output == "json" || flags.output == "yaml") {
    const Json value = single ? ToJson(*all[0].objects[0]) : ListOf(all);
    std::cout << (flags.output == "json" ? value.dump(4) + "\n" : ToYaml(value));
  } else {
    PrintTables(global, flags, all, several_kinds);
  }
}

const char* NameOf(v1::WatchEvent::Type type) {
  return type == v1::WatchEvent::ADDED     ? "ADDED"
         : type == v1::WatchEvent::DELETED ? "DELETED"
                                           : "MODIFIED";
}

// Prints objects as they come; columns stay as wide as they once were.
class WatchPrinter {
 public:
  WatchPrinter(const GlobalFlags& global, const GetFlags& flags, const Kind& kind)
      : global_(global), flags_(flags), kind_(kind) {}

  // What is there when the watch begins: one table.
  void PrintPresent(const std::vector<ObjectPtr>& objects) {
    if (!IsTable()) {
      for (const ObjectPtr& object : objects) Print(v1::WatchEvent::ADDED, *object);
      return;
    }
    std::vector<Row> rows;
    for (const ObjectPtr& object : objects) rows.push_back(RowFor(v1::WatchEvent::ADDED, *object));
    if (!objects.empty()) PrintRows(std::move(rows));
    std::cout.flush();
  }

  void Print(v1::WatchEvent::Type type, const google::protobuf::Message& object) {
    if (IsTable()) {
      PrintRows({RowFor(type, object)});
    } else if (flags_.output == "name") {
      std::cout << NameLine(kind_, object);
    } else {
      Json value = ToJson(object);
      if (flags_.output_watch_events)
        value = Json{{"type", NameOf(type)}, {"object", std::move(value)}};
      std::cout << (flags_.output == "json" ? value.dump(4) + "\n" : "---\n" + ToYaml(value));
    }
    std::cout.flush();
  }

 private:
  bool IsTable() const { return flags_.output == "table" || flags_.output == "wide"; }

  Row RowFor(v1::WatchEvent::Type type, const google::protobuf::Message& object) const {
    Row row = RowOf(kind_, object, OptionsOf(global_, flags_));
    if (flags_.output_watch_events) row.insert(row.begin(), NameOf(type));
    return row;
  }

  // The header comes with the first row.
  void PrintRows(std::vector<Row> rows) {
    if (!std::exchange(header_printed_, true) && !flags_.no_headers) {
      Row header = HeaderOf(kind_, OptionsOf(global_, flags_));
      if (flags_.output_watch_events) header.insert(header.begin(), "EVENT");
      rows.insert(rows.begin(), std::move(header));
    }
    std::cout << FormatTable(rows, &widths_);
  }

  const GlobalFlags& global_;
  const GetFlags& flags_;
  const Kind& kind_;
  bool header_printed_ = false;
  std::vector<size_t> widths_;
};

// What is there, then every change, until the control plane or the user ends it. Of an object that
// loses the selector's labels that is shown as its deletion, as the Kubernetes API does.
int Watch(const GlobalFlags& global, const GetFlags& flags, const Session& session,
          const Target& target) {
  const absl::StatusOr<LabelSelector> selector = LabelSelector::Parse(flags.selector);
  if (!selector.ok()) return PrintError(selector.status());
  const std::optional<Fetched> present = Fetch(global, session, target, flags.selector);
  if (!present.has_value()) return 1;
  WatchPrinter printer(global, flags, *target.kind);
  std::set<ResourceKey> shown;
  for (const ObjectPtr& object : present->objects) shown.insert(KeyOf(*object));
  printer.PrintPresent(present->objects);

  v1::WatchRequest request;
  request.set_group(target.kind->group);
  request.set_kind(target.kind->name);
  request.set_name(target.name);
  request.set_namespace_(target.name.empty()           ? NamespaceOf(global, session, *target.kind)
                         : target.kind->cluster_scoped ? ""
                                                       : session.namespace_name);
  request.set_from_revision(present->revision);
  const absl::Status status = session.client->Watch(request, [&](const v1::WatchEvent& event) {
    const ObjectPtr object = Unpack(event.object());
    if (object == nullptr) return true;
    const ResourceKey key = KeyOf(*object);
    const bool matches = selector->Matches(MetadataOf(*object).labels());
    if (event.type() == v1::WatchEvent::DELETED || !matches) {
      if (shown.erase(key) > 0) printer.Print(v1::WatchEvent::DELETED, *object);
    } else {
      const bool is_new = shown.insert(key).second;
      printer.Print(is_new ? v1::WatchEvent::ADDED : v1::WatchEvent::MODIFIED, *object);
    }
    return static_cast<bool>(std::cout);
  });
  return status.ok() ? 0 : PrintError(status);
}

}  // namespace

int RunGet(const GlobalFlags& global, const GetFlags& flags) {
  const std::optional<std::vector<Target>> targets = ParseTargets(flags.names);
  if (!targets.has_value()) return 1;
  for (const Target& target : *targets) {
    if (!target.name.empty() && global.all_namespaces)
      return PrintError("a resource cannot be retrieved by name across all namespaces");
    if (!target.name.empty() && !flags.selector.empty())
      return PrintError("selectors are not allowed when a resource is named");
  }
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  if (flags.watch) {
    if (targets->size() != 1)
      return PrintError("you may only watch one kind or one object at a time");
    return Watch(global, flags, *session, targets->front());
  }
  std::vector<Fetched> all;
  bool failed = false;
  size_t count = 0;
  for (const Target& target : *targets) {
    std::optional<Fetched> fetched =
        Fetch(global, *session, target, flags.selector, flags.ignore_not_found);
    if (!fetched.has_value()) {
      failed = true;
      continue;
    }
    count += fetched->objects.size();
    const bool same_kind = !all.empty() && all.back().kind == fetched->kind;
    if (same_kind) {
      for (ObjectPtr& object : fetched->objects) all.back().objects.push_back(std::move(object));
    } else {
      all.push_back(*std::move(fetched));
    }
  }
  if (failed && count == 0) return 1;
  const bool table = flags.output == "table" || flags.output == "wide";
  if (count == 0 && flags.ignore_not_found) return 0;
  if (count == 0 && table) {
    const bool scoped = !global.all_namespaces && !targets->front().kind->cluster_scoped;
    std::cerr << "No resources found"
              << (scoped ? Concat(" in ", session->namespace_name, " namespace.") : "") << "\n";
    return 0;
  }
  const bool single = targets->size() == 1 && !targets->front().name.empty();
  PrintAll(global, flags, all, single, all.size() > 1);
  return failed ? 1 : 0;
}

std::vector<std::string> NamesOfObjects(const GlobalFlags& global, const Kind& kind) {
  std::vector<std::string> names;
  const absl::StatusOr<Session> session = TryOpenSession(global);
  if (!session.ok()) return names;
  v1::ListRequest request;
  request.set_group(kind.group);
  request.set_kind(kind.name);
  request.set_namespace_(NamespaceOf(global, *session, kind));
  const absl::StatusOr<v1::ListResponse> response = session->client->List(request);
  if (!response.ok()) return names;
  for (const google::protobuf::Any& any : response->objects()) {
    const ObjectPtr object = Unpack(any);
    if (object != nullptr) names.push_back(MetadataOf(*object).name());
  }
  return names;
}

int RunDescribe(const GlobalFlags& global, const DescribeFlags& flags) {
  const std::optional<std::vector<Target>> targets = ParseTargets(flags.names);
  if (!targets.has_value()) return 1;
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  int exit_code = 0;
  bool first = true;
  for (const Target& target : *targets) {
    const std::optional<Fetched> fetched = Fetch(global, *session, target, flags.selector);
    if (!fetched.has_value()) {
      exit_code = 1;
      continue;
    }
    for (const ObjectPtr& object : fetched->objects) {
      std::cout << (first ? "" : "\n\n") << Describe(*object);
      first = false;
    }
  }
  if (first && exit_code == 0) {
    const bool scoped = !global.all_namespaces && !targets->front().kind->cluster_scoped;
    std::cerr << "No resources found"
              << (scoped ? Concat(" in ", session->namespace_name, " namespace.") : "") << "\n";
  }
  return exit_code;
}

}  // namespace apk
