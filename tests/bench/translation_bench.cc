// What a snapshot costs: of 10,000 HTTPRoutes as a whole, and after a change of one of them.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>

#include "apk/v1/backend.pb.h"
#include "apk/v1/gateway.pb.h"
#include "apk/v1/routes.pb.h"
#include "control-plane/translation/translator.h"

namespace apk {
namespace {

constexpr char kNow[] = "2026-01-01T00:00:00Z";
constexpr int kBackends = 100;
constexpr int kHosts = 1000;

void Name(v1::ObjectMeta& metadata, const std::string& name) {
  metadata.set_namespace_("default");
  metadata.set_name(name);
  metadata.set_uid("uid-of-" + name);
  metadata.set_generation(1);
  metadata.set_resource_version("1");
}

ResourcePtr MakeClass() {
  auto made = std::make_shared<v1::GatewayClass>();
  made->mutable_metadata()->set_name("apk");
  made->mutable_spec()->set_controller_name("apk.dev/gateway-controller");
  return made;
}

ResourcePtr MakeGateway() {
  auto gateway = std::make_shared<v1::Gateway>();
  Name(*gateway->mutable_metadata(), "web");
  gateway->mutable_spec()->set_gateway_class_name("apk");
  v1::GatewayListener* const listener = gateway->mutable_spec()->add_listeners();
  listener->set_name("http");
  listener->set_port(8080);
  listener->set_protocol("HTTP");
  return gateway;
}

ResourcePtr MakeBackend(int number) {
  auto backend = std::make_shared<v1::Backend>();
  Name(*backend->mutable_metadata(), "b" + std::to_string(number));
  auto* const service = backend->mutable_spec()->add_services();
  service->set_host("127.0.0.1");
  service->set_port(80);
  return backend;
}

std::shared_ptr<v1::HTTPRoute> MakeRoute(int number, int generation) {
  auto route = std::make_shared<v1::HTTPRoute>();
  Name(*route->mutable_metadata(), "r" + std::to_string(number));
  route->mutable_metadata()->set_generation(generation);
  route->mutable_spec()->add_parent_refs()->set_name("web");
  route->mutable_spec()->add_hostnames("h" + std::to_string(number % kHosts) + ".example.com");
  auto* const rule = route->mutable_spec()->add_rules();
  auto* const path = rule->add_matches()->mutable_path();
  path->set_type("PathPrefix");
  path->set_value("/p" + std::to_string(number) + "/" + std::to_string(generation));
  auto* const target = rule->add_backend_refs();
  target->set_group("dp.wso2.com");
  target->set_kind("Backend");
  target->set_name("b" + std::to_string(number % kBackends));
  return route;
}

ResourceSet MakeResources(int routes) {
  ResourceSet resources;
  resources.Put(MakeClass());
  resources.Put(MakeGateway());
  for (int i = 0; i < kBackends; ++i) resources.Put(MakeBackend(i));
  for (int i = 0; i < routes; ++i) resources.Put(MakeRoute(i, 1));
  return resources;
}

// Of a control plane that starts.
void BM_Whole(benchmark::State& state) {
  const auto routes = static_cast<int>(state.range(0));
  const ResourceSet resources = MakeResources(routes);
  for (auto _ : state) {
    Translator translator;
    const Translator::Result result = translator.Translate(resources, FleetReport(), 2, kNow);
    if (result.routes_translated != routes) state.SkipWithError("not all routes were translated");
  }
}
BENCHMARK(BM_Whole)->Arg(1000)->Arg(10'000)->Unit(benchmark::kMillisecond);

// Of an apply.
void BM_OneRoute(benchmark::State& state) {
  const auto routes = static_cast<int>(state.range(0));
  Translator translator;
  ResourceSet resources =
      translator.Translate(MakeResources(routes), FleetReport(), 2, kNow).resources;
  int generation = 1;
  for (auto _ : state) {
    ++generation;
    std::shared_ptr<v1::HTTPRoute> changed = MakeRoute(generation % routes, generation);
    *changed->mutable_status() =
        resources.Find<v1::HTTPRoute>("default", changed->metadata().name())->status();
    resources.Put(changed);
    Translator::Result result =
        translator.Translate(resources, FleetReport(), static_cast<uint64_t>(generation) + 1, kNow);
    if (result.routes_translated != 1) state.SkipWithError("more than one route was translated");
    resources = std::move(result.resources);
  }
}
BENCHMARK(BM_OneRoute)->Arg(1000)->Arg(10'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace apk

BENCHMARK_MAIN();
