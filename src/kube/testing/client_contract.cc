#include "kube/testing/client_contract.h"

#include <gtest/gtest.h>

namespace vk8s::kube::testing {
namespace {

const Resource& kKind = resources::kConfigMap;
constexpr const char* kUnknownUid = "00000000-0000-0000-0000-00000000dead";

Json config_map(const std::string& name, JsonObject data = {{"key", "1"}}) {
  return JsonObject{{"apiVersion", "v1"},
                    {"kind", "ConfigMap"},
                    {"metadata", JsonObject{{"name", name}, {"namespace", "default"}}},
                    {"data", std::move(data)}};
}

ObjectKey key(const std::string& name) { return {"default", name}; }

std::string text(const Result<Json>& object, std::string_view path) {
  return object ? std::string(base::get_string(*object, path).value_or("(absent)"))
                : object.error().message();
}

Errc code(const Result<Json>& result) {
  EXPECT_FALSE(result);
  return result ? Errc::kInternal : result.error().code();
}

void set_metadata(Json& object, const char* field, const std::string& value) {
  object.as_object()["metadata"].as_object()[field] = value;
}

void create_gives_identity(BlockingClient& client) {
  const auto created = client.create(kKind, "default", config_map("identity"));
  ASSERT_TRUE(created) << created.error().message();
  EXPECT_FALSE(text(created, "metadata.uid").empty());
  EXPECT_FALSE(text(created, "metadata.resourceVersion").empty());
  EXPECT_EQ(code(client.create(kKind, "default", config_map("identity"))), Errc::kAlreadyExists);
}

void stale_update_is_a_conflict(BlockingClient& client) {
  const auto created = client.create(kKind, "default", config_map("stale"));
  ASSERT_TRUE(client.merge_patch(kKind, key("stale"), {{"data", {{"key", "2"}}}}));
  ASSERT_TRUE(created);
  EXPECT_EQ(code(client.update(kKind, *created)), Errc::kConflict);
  EXPECT_EQ(text(client.get(kKind, key("stale")), "data.key"), "2");
}

void an_equal_write_keeps_the_version(BlockingClient& client) {
  const auto created = client.create(kKind, "default", config_map("equal"));
  const auto again = client.merge_patch(kKind, key("equal"), {{"data", {{"key", "1"}}}});
  EXPECT_EQ(text(created, "metadata.resourceVersion"), text(again, "metadata.resourceVersion"));
}

void merge_patch_removes_with_null(BlockingClient& client) {
  ASSERT_TRUE(client.create(kKind, "default", config_map("null", {{"a", "1"}, {"b", "2"}})));
  const auto patched = client.merge_patch(kKind, key("null"), {{"data", {{"a", nullptr}}}});
  EXPECT_EQ(text(patched, "data.a"), "(absent)");
  EXPECT_EQ(text(patched, "data.b"), "2");
}

void dry_run_stores_nothing(BlockingClient& client) {
  EXPECT_TRUE(client.create(kKind, "default", config_map("dry"), true));
  EXPECT_EQ(code(client.get(kKind, key("dry"))), Errc::kNotFound);
}

void apply_creates_and_takes_back(BlockingClient& client) {
  const ApplyOptions ours{.field_manager = "ours"};
  ASSERT_TRUE(client.apply(kKind, config_map("apply", {{"a", "1"}, {"b", "2"}}), ours));
  const auto applied = client.apply(kKind, config_map("apply", {{"b", "3"}}), ours);
  EXPECT_EQ(text(applied, "data.a"), "(absent)");
  EXPECT_EQ(text(applied, "data.b"), "3");
}

void apply_with_a_wrong_uid_is_refused(BlockingClient& client) {
  Json object = config_map("uid");
  set_metadata(object, "uid", kUnknownUid);
  const ApplyOptions ours{.field_manager = "ours"};
  EXPECT_EQ(code(client.apply(kKind, object, ours)), Errc::kConflict);
  ASSERT_TRUE(client.create(kKind, "default", config_map("uid")));
  // The API server calls it a change of an immutable field (422).
  EXPECT_EQ(code(client.apply(kKind, object, ours)), Errc::kInvalidArgument);
}

void apply_with_a_stale_version_is_a_conflict(BlockingClient& client) {
  const auto created = client.create(kKind, "default", config_map("version"));
  ASSERT_TRUE(client.merge_patch(kKind, key("version"), {{"data", {{"key", "2"}}}}));
  Json object = config_map("version", {{"key", "3"}});
  set_metadata(object, "resourceVersion", text(created, "metadata.resourceVersion"));
  EXPECT_EQ(code(client.apply(kKind, object, {.field_manager = "ours"})), Errc::kConflict);
}

void apply_leaves_what_another_applied(BlockingClient& client) {
  ASSERT_TRUE(client.apply(kKind, config_map("two", {{"a", "1"}}), {.field_manager = "first"}));
  ASSERT_TRUE(client.apply(kKind, config_map("two", {{"b", "1"}}), {.field_manager = "second"}));
  EXPECT_EQ(text(client.get(kKind, key("two")), "data.a"), "1");
}

void remove_checks_the_uid(BlockingClient& client) {
  ASSERT_TRUE(client.create(kKind, "default", config_map("remove")));
  EXPECT_EQ(code(client.remove(kKind, key("remove"), {.uid = kUnknownUid})), Errc::kConflict);
  EXPECT_TRUE(client.remove(kKind, key("remove")));
  EXPECT_EQ(code(client.remove(kKind, key("remove"))), Errc::kNotFound);
}

void remove_checks_the_version(BlockingClient& client) {
  const auto created = client.create(kKind, "default", config_map("removed"));
  ASSERT_TRUE(client.merge_patch(kKind, key("removed"), {{"data", {{"key", "2"}}}}));
  const std::string stale = text(created, "metadata.resourceVersion");
  EXPECT_EQ(code(client.remove(kKind, key("removed"), {.resource_version = stale})),
            Errc::kConflict);
  const std::string current = text(client.get(kKind, key("removed")), "metadata.resourceVersion");
  EXPECT_TRUE(client.remove(kKind, key("removed"), {.resource_version = current}));
}

void a_finalizer_holds_the_object(BlockingClient& client) {
  Json object = config_map("held");
  object.as_object()["metadata"].as_object()["finalizers"] = JsonArray{"example.com/hold"};
  ASSERT_TRUE(client.create(kKind, "default", object));
  EXPECT_TRUE(client.remove(kKind, key("held")));
  EXPECT_NE(text(client.get(kKind, key("held")), "metadata.deletionTimestamp"), "(absent)");
  EXPECT_TRUE(client.merge_patch(kKind, key("held"), {{"metadata", {{"finalizers", nullptr}}}}));
  EXPECT_EQ(code(client.get(kKind, key("held"))), Errc::kNotFound);
}

void lists_select_and_page(BlockingClient& client) {
  for (const char* name : {"list-1", "list-2", "list-3"}) {
    Json object = config_map(name);
    object.as_object()["metadata"].as_object()["labels"] = JsonObject{{"check", "list"}};
    ASSERT_TRUE(client.create(kKind, "default", object));
  }
  ListOptions options{.label_selector = "check in (list)", .limit = 2};
  const auto first = client.list(kKind, "default", options);
  ASSERT_TRUE(first) << first.error().message();
  EXPECT_EQ(base::get_array(*first, "items")->size(), 2U);
  options.continue_token = text(first, "metadata.continue");
  const auto second = client.list(kKind, "default", options);
  ASSERT_TRUE(second) << second.error().message();
  EXPECT_EQ(base::get_array(*second, "items")->size(), 1U);
  const auto one = client.list(kKind, "default", {.field_selector = "metadata.name=list-2"});
  ASSERT_TRUE(one) << one.error().message();
  EXPECT_EQ(base::get_array(*one, "items")->size(), 1U);
}

void a_namespaced_object_needs_its_namespace(BlockingClient& client) {
  EXPECT_EQ(code(client.get(kKind, {"", "x"})), Errc::kInvalidArgument);
  EXPECT_EQ(code(client.get(kKind, {"default", "../secrets/x"})), Errc::kInvalidArgument);
}

}  // namespace

const std::vector<ContractCheck>& client_contract() {
  static const std::vector<ContractCheck> kChecks = {
      {"create gives identity", create_gives_identity},
      {"a stale update is a conflict", stale_update_is_a_conflict},
      {"an equal write keeps the version", an_equal_write_keeps_the_version},
      {"merge patch removes with null", merge_patch_removes_with_null},
      {"dry run stores nothing", dry_run_stores_nothing},
      {"apply creates, and takes back what is no longer applied", apply_creates_and_takes_back},
      {"apply with a wrong uid is refused", apply_with_a_wrong_uid_is_refused},
      {"apply with a stale version is a conflict", apply_with_a_stale_version_is_a_conflict},
      {"apply leaves what another applied", apply_leaves_what_another_applied},
      {"remove checks the uid", remove_checks_the_uid},
      {"remove checks the version", remove_checks_the_version},
      {"a finalizer holds the object", a_finalizer_holds_the_object},
      {"lists select and page", lists_select_and_page},
      {"a namespaced object needs its namespace", a_namespaced_object_needs_its_namespace},
  };
  return kChecks;
}

}  // namespace vk8s::kube::testing
