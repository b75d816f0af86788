// One function a kind for what stands between NAME and AGE.
#include "control-plane/apkctl/table.h"

#include <algorithm>
#include <ctime>

#include "apk/v1/api.pb.h"
#include "apk/v1/backend.pb.h"
#include "apk/v1/core.pb.h"
#include "apk/v1/gateway.pb.h"
#include "apk/v1/grpc_route.pb.h"
#include "apk/v1/listener_set.pb.h"
#include "apk/v1/policies.pb.h"
#include "apk/v1/routes.pb.h"
#include "apk/v1/tls_route.pb.h"
#include "common/strings.h"
#include "control-plane/apkctl/printable.h"
#include "control-plane/resources/resource_set.h"

namespace apk {
namespace {

using google::protobuf::Message;

struct Columns {
  Row names;
  Row values;
  Row wide_names;
  Row wide_values;

  void Add(std::string name, std::string value) {
    names.push_back(std::move(name));
    values.push_back(std::move(value));
  }
  void AddWide(std::string name, std::string value) {
    wide_names.push_back(std::move(name));
    wide_values.push_back(std::move(value));
  }
};

template <class Conditions>
std::string StatusOf(const Conditions& conditions, std::string_view type) {
  for (const v1::Condition& condition : conditions) {
    if (condition.type() == type) return condition.status();
  }
  return "Unknown";
}

std::string JoinList(const google::protobuf::RepeatedPtrField<std::string>& values) {
  return Join(std::vector<std::string>(values.begin(), values.end()), ",");
}

Columns Of(const v1::Gateway& gateway) {
  std::vector<std::string> addresses;
  for (const auto& address : gateway.status().addresses()) addresses.push_back(address.value());
  Columns columns;
  columns.Add("CLASS", gateway.spec().gateway_class_name());
  columns.Add("ADDRESS", Join(addresses, ","));
  columns.Add("PROGRAMMED", StatusOf(gateway.status().conditions(), "Programmed"));
  return columns;
}

Columns Of(const v1::GatewayClass& gateway_class) {
  Columns columns;
  columns.Add("CONTROLLER", gateway_class.spec().controller_name());
  columns.Add("ACCEPTED", StatusOf(gateway_class.status().conditions(), "Accepted"));
  columns.AddWide("DESCRIPTION", gateway_class.spec().description());
  return columns;
}

// Of all parents together: one that says False counts most.
std::string StatusOfParents(const v1::RouteStatus& status, std::string_view type) {
  std::string worst = status.parents().empty() ? "Unknown" : "True";
  for (const v1::RouteParentStatus& parent : status.parents()) {
    const std::string of_parent = StatusOf(parent.conditions(), type);
    if (of_parent == "False" || worst == "True") worst = of_parent;
  }
  return worst;
}

Columns Of(const v1::ListenerSet& set) {
  Columns columns;
  columns.Add("ACCEPTED", StatusOf(set.status().conditions(), "Accepted"));
  columns.Add("PROGRAMMED", StatusOf(set.status().conditions(), "Programmed"));
  return columns;
}

template <class Route>
Columns OfRoute(const Route& route) {
  Columns columns;
  std::vector<std::string> names;
  for (const std::string& hostname : route.spec().hostnames())
    names.push_back(Concat("\"", hostname, "\""));
  columns.Add("HOSTNAMES", names.empty() ? "" : Concat("[", Join(names, ","), "]"));
  columns.AddWide("ACCEPTED", StatusOfParents(route.status(), "Accepted"));
  columns.AddWide("RESOLVEDREFS", StatusOfParents(route.status(), "ResolvedRefs"));
  return columns;
}

Columns Of(const v1::Backend& backend) {
  Columns columns;
  std::vector<std::string> services;
  for (const auto& service : backend.spec().services()) {
    services.push_back(Concat(service.host(), ":", std::to_string(service.port())));
  }
  columns.AddWide("PROTOCOL", backend.spec().protocol());
  columns.AddWide("SERVICES", Join(services, ","));
  columns.AddWide("BASEPATH", backend.spec().base_path());
  return columns;
}

Columns Of(const v1::API& api) {
  Columns columns;
  columns.Add("API NAME", api.spec().api_name());
  columns.Add("VERSION", api.spec().api_version());
  columns.Add("BASEPATH", api.spec().base_path());
  columns.Add("ORGANIZATION", api.spec().organization());
  columns.AddWide("ACCEPTED", StatusOf(api.status().conditions(), "Accepted"));
  return columns;
}

Columns Of(const v1::Service& service) {
  Columns columns;
  std::vector<std::string> ports;
  for (const auto& port : service.spec().ports()) {
    ports.push_back(Concat(std::to_string(port.port()), "/", port.protocol()));
  }
  const std::string& ip = service.spec().cluster_ip();
  columns.Add("TYPE", service.spec().type());
  columns.Add("CLUSTER-IP", ip.empty() ? "<none>" : ip);
  columns.Add("EXTERNAL-IP", "<none>");
  columns.Add("PORT(S)", Join(ports, ","));
  return columns;
}

Columns Of(const v1::EndpointSlice& slice) {
  Columns columns;
  std::vector<std::string> ports;
  std::vector<std::string> endpoints;
  for (const auto& port : slice.ports()) ports.push_back(std::to_string(port.port()));
  for (const auto& endpoint : slice.endpoints())
    endpoints.push_back(JoinList(endpoint.addresses()));
  columns.Add("ADDRESSTYPE", slice.address_type());
  columns.Add("PORTS", Join(ports, ","));
  columns.Add("ENDPOINTS", Join(endpoints, ","));
  return columns;
}

Columns ColumnsOf(const Message& object) {
  const std::string& kind = object.GetDescriptor()->name();
  if (kind == "Gateway") return Of(static_cast<const v1::Gateway&>(object));
  if (kind == "GatewayClass") return Of(static_cast<const v1::GatewayClass&>(object));
  if (kind == "ListenerSet") return Of(static_cast<const v1::ListenerSet&>(object));
  if (kind == "HTTPRoute") return OfRoute(static_cast<const v1::HTTPRoute&>(object));
  if (kind == "TLSRoute") return OfRoute(static_cast<const v1::TLSRoute&>(object));
  if (kind == "GRPCRoute") return OfRoute(static_cast<const v1::GRPCRoute&>(object));
  if (kind == "Backend") return Of(static_cast<const v1::Backend&>(object));
  if (kind == "API") return Of(static_cast<const v1::API&>(object));
  if (kind == "Service") return Of(static_cast<const v1::Service&>(object));
  if (kind == "EndpointSlice") return Of(static_cast<const v1::EndpointSlice&>(object));
  Columns columns;
  if (kind == "Namespace") {
    columns.Add("STATUS", "Active");
  } else if (kind == "Secret") {
    const auto& secret = static_cast<const v1::Secret&>(object);
    columns.Add("TYPE", secret.type());
    columns.Add("DATA", std::to_string(secret.data_size()));
  } else if (kind == "ConfigMap") {
    const auto& map = static_cast<const v1::ConfigMap&>(object);
    columns.Add("DATA", std::to_string(map.data_size() + map.binary_data_size()));
  } else if (kind == "TokenIssuer") {
    const auto& spec = static_cast<const v1::TokenIssuer&>(object).spec();
    columns.AddWide("ORGANIZATION", spec.organization());
    columns.AddWide("ISSUER", spec.issuer());
  }
  return columns;
}

Row Assemble(const TableOptions& options, Row first, const Row& middle, std::string age,
             const Row& wide) {
  first.insert(first.end(), middle.begin(), middle.end());
  first.push_back(std::move(age));
  if (options.wide) first.insert(first.end(), wide.begin(), wide.end());
  return first;
}

// Of UTF-8: all bytes but those that continue a character.
size_t CharactersOf(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80;
  }));
}

}  // namespace

Row HeaderOf(const Kind& kind, const TableOptions& options) {
  const Columns columns = ColumnsOf(*kind.New());
  Row first;
  if (options.with_namespace && !kind.cluster_scoped) first.push_back("NAMESPACE");
  first.push_back("NAME");
  return Assemble(options, std::move(first), columns.names, "AGE", columns.wide_names);
}

Row RowOf(const Kind& kind, const Message& object, const TableOptions& options) {
  const Columns columns = ColumnsOf(object);
  const v1::ObjectMeta& metadata = MetadataOf(object);
  Row first;
  if (options.with_namespace && !kind.cluster_scoped) first.push_back(metadata.namespace_());
  first.push_back(options.with_kind ? Concat(kind.QualifiedName(), "/", metadata.name())
                                    : metadata.name());
  return Assemble(options, std::move(first), columns.values,
                  AgeOf(metadata.creation_timestamp(), options.now_unix_seconds),
                  columns.wide_values);
}

std::string FormatTable(const std::vector<Row>& rows, std::vector<size_t>* widths) {
  std::vector<size_t> own;
  std::vector<size_t>& width = widths == nullptr ? own : *widths;
  std::vector<Row> shown;
  for (const Row& row : rows) {
    Row& cells = shown.emplace_back();
    if (width.size() < row.size()) width.resize(row.size());
    for (size_t i = 0; i < row.size(); ++i) {
      cells.push_back(Printable(row[i]));
      width[i] = std::max(width[i], CharactersOf(cells.back()));
    }
  }
  std::string text;
  for (const Row& cells : shown) {
    for (size_t i = 0; i < cells.size(); ++i) {
      text += cells[i];
      if (i + 1 < cells.size()) text.append(width[i] - CharactersOf(cells[i]) + 3, ' ');
    }
    while (text.ends_with(' ')) text.pop_back();
    text += '\n';
  }
  return text;
}

std::string AgeOf(const std::string& rfc3339, int64_t now_unix_seconds) {
  std::tm calendar{};
  if (strptime(rfc3339.c_str(), "%Y-%m-%dT%H:%M:%SZ", &calendar) == nullptr) return "<unknown>";
  const int64_t seconds = std::max<int64_t>(0, now_unix_seconds - timegm(&calendar));
  const auto two = [](int64_t large, const char* large_unit, int64_t small,
                      const char* small_unit) {
    return Concat(std::to_string(large), large_unit,
                  small == 0 ? "" : Concat(std::to_string(small), small_unit));
  };
  const int64_t minutes = seconds / 60;
  const int64_t hours = minutes / 60;
  const int64_t days = hours / 24;
  if (seconds < 120) return Concat(std::to_string(seconds), "s");
  if (minutes < 10) return two(minutes, "m", seconds % 60, "s");
  if (hours < 3) return Concat(std::to_string(minutes), "m");
  if (hours < 8) return two(hours, "h", minutes % 60, "m");
  if (hours < 48) return Concat(std::to_string(hours), "h");
  if (days < 8) return two(days, "d", hours % 24, "h");
  if (days < 2 * 365) return Concat(std::to_string(days), "d");
  return days < 8 * 365 ? two(days / 365, "y", days % 365, "d")
                        : Concat(std::to_string(days / 365), "y");
}

}  // namespace apk
