// get and describe.
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>

#include "common/strings.h"
#include "control-plane/apkctl/commands.h"
#include "control-plane/apkctl/table.h"
#include "control-plane/resources/json.h"
#include "control-plane/resources/resource_set.h"

namespace apk {
namespace {

using Json = nlohmann::ordered_json;
using ObjectPtr = std::unique_ptr<google::protobuf::Message>;

struct Fetched {
  const Kind* kind = nullptr;
  std::vector<ObjectPtr> objects;
};

std::string NamespaceOf(const GlobalFlags& global, const Session& session, const Kind& kind) {
  return kind.cluster_scoped || global.all_namespaces ? "" : session.namespace_name;
}

// One object by name, or all of the kind. Prints what is wrong; nullopt then.
std::optional<Fetched> Fetch(const GlobalFlags& global, Session& session, const Target& target,
                             const std::string& selector) {
  Fetched fetched;
  fetched.kind = target.kind;
  if (!target.name.empty()) {
    v1::GetRequest request;
    request.mutable_key()->set_group(target.kind->group);
    request.mutable_key()->set_kind(target.kind->name);
    request.mutable_key()->set_name(target.name);
    if (!target.kind->cluster_scoped) request.mutable_key()->set_namespace_(session.namespace_name);
    const absl::StatusOr<v1::GetResponse> response = session.client->Get(request);
    if (!response.ok()) {
      PrintError(response.status());
      return std::nullopt;
    }
    fetched.objects.push_back(Unpack(response->object()));
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
  for (const google::protobuf::Any& any : response->objects())
    fetched.objects.push_back(Unpack(any));
  return fetched;
}

void PrintTables(const GlobalFlags& global, const GetFlags& flags, const std::vector<Fetched>& all,
                 bool several_kinds) {
  bool first = true;
  for (const Fetched& fetched : all) {
    if (fetched.objects.empty()) continue;
    TableOptions options;
    options.wide = flags.output == "wide";
    options.with_namespace = global.all_namespaces;
    options.with_kind = several_kinds;
    options.now_unix_seconds = std::time(nullptr);
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

void PrintAll(const GlobalFlags& global, const GetFlags& flags, const std::vector<Fetched>& all,
              bool single, bool several_kinds) {
  if (flags.output == "name") {
    for (const Fetched& fetched : all) {
      for (const ObjectPtr& object : fetched.objects) {
        std::cout << fetched.kind->QualifiedName() << "/" << MetadataOf(*object).name() << "\n";
      }
    }
  } else if (flags.output == "json" || flags.output == "yaml") {
    const Json value = single ? ToJson(*all[0].objects[0]) : ListOf(all);
    std::cout << (flags.output == "json" ? value.dump(4) + "\n" : ToYaml(value));
  } else {
    PrintTables(global, flags, all, several_kinds);
  }
}

int Watch(const GlobalFlags& global, const GetFlags& flags, Session& session,
          const Target& target) {
  v1::WatchRequest request;
  request.set_group(target.kind->group);
  request.set_kind(target.kind->name);
  request.set_name(target.name);
  request.set_namespace_(NamespaceOf(global, session, *target.kind));
  TableOptions options;
  options.wide = flags.output == "wide";
  options.with_namespace = global.all_namespaces;
  const bool table = flags.output == "table" || flags.output == "wide";
  if (table && !flags.no_headers)
    std::cout << FormatTable({HeaderOf(*target.kind, options)}) << std::flush;
  const absl::Status status = session.client->Watch(request, [&](const v1::WatchEvent& event) {
    const ObjectPtr object = Unpack(event.object());
    if (object == nullptr) return true;
    options.now_unix_seconds = std::time(nullptr);
    if (table) {
      std::cout << FormatTable({RowOf(*target.kind, *object, options)});
    } else if (flags.output == "name") {
      std::cout << target.kind->QualifiedName() << "/" << MetadataOf(*object).name() << "\n";
    } else if (flags.output == "json") {
      std::cout << ToJson(*object).dump(4) << "\n";
    } else {
      std::cout << "---\n" << ToYaml(*object);
    }
    std::cout.flush();
    return static_cast<bool>(std::cout);
  });
  return status.ok() ? 0 : PrintError(status);
}

}  // namespace

int RunGet(const GlobalFlags& global, const GetFlags& flags) {
  const std::optional<std::vector<Target>> targets = ParseTargets(flags.names);
  if (!targets.has_value()) return 1;
  std::optional<Session> session = OpenSession(global);
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
    if (!target.name.empty() && global.all_namespaces) {
      return PrintError("a resource cannot be retrieved by name across all namespaces");
    }
    std::optional<Fetched> fetched = Fetch(global, *session, target, flags.selector);
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

namespace {

// "Name:  a", indented like kubectl's describe: the object as nested key-value lines.
void AppendDescription(std::string& out, const Json& value, const std::string& indent) {
  for (const auto& [key, member] : value.items()) {
    std::string title = key;
    if (!title.empty())
      title[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(title[0])));
    out += Concat(indent, title, ":");
    if (member.is_object()) {
      out += '\n';
      AppendDescription(out, member, indent + "  ");
    } else if (member.is_array()) {
      out += '\n';
      for (const Json& item : member) {
        if (item.is_object()) {
          AppendDescription(out, item, indent + "  ");
          out += Concat(indent, "  --\n");
        } else {
          out +=
              Concat(indent, "  ", item.is_string() ? item.get<std::string>() : item.dump(), "\n");
        }
      }
    } else {
      out += Concat("  ", member.is_string() ? member.get<std::string>() : member.dump(), "\n");
    }
  }
}

}  // namespace

int RunDescribe(const GlobalFlags& global, const std::vector<std::string>& names) {
  const std::optional<std::vector<Target>> targets = ParseTargets(names);
  if (!targets.has_value()) return 1;
  std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  int exit_code = 0;
  for (const Target& target : *targets) {
    const std::optional<Fetched> fetched = Fetch(global, *session, target, "");
    if (!fetched.has_value()) {
      exit_code = 1;
      continue;
    }
    for (const ObjectPtr& object : fetched->objects) {
      Json json = ToJson(*object);
      if (json.contains("data") && target.kind->name == "Secret") {
        // Sizes only: describe is what people paste into tickets.
        for (auto& [key, value] : json["data"].items()) {
          value = Concat(std::to_string(value.get<std::string>().size() * 3 / 4), " bytes");
        }
      }
      std::string text;
      AppendDescription(text, json, "");
      std::cout << text << "\n";
    }
  }
  return exit_code;
}

}  // namespace apk
