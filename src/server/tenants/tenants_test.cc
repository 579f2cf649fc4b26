// The tenants file, keys, changes to the text, and the master key.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "server/tenants/master_key.h"
#include "server/tenants/tenant_directory.h"
#include "server/tenants/tenant_key.h"
#include "server/tenants/tenants_file.h"
#include "server/tenants/tenants_text.h"

namespace quire {
namespace {

const std::string kHash = HashTenantKey("key of acme");

std::string One(const std::string& fields) {
  return "[[tenant]]\nname = \"acme\"\nkey_hashes = [\"" + kHash + "\"]\n" + fields;
}

Result<TenantsFile> Parse(const std::string& text) { return TenantsFile::Parse(text, "t.toml"); }

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "quire_tenants_XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& file) const { return path_ + "/" + file; }

 private:
  std::string path_;
};

mode_t ModeOf(const std::string& path) {
  struct stat status{};
  EXPECT_EQ(stat(path.c_str(), &status), 0);
  return status.st_mode & 07777;
}

TEST(TenantsFile, ReadsEveryField) {
  const auto file = Parse(
      One("weight = 2\ngeneration = 7\nkv_guaranteed = \"256MiB\"\nkv_limit = \"1GiB\"\n"
          "kv_pinned = \"1MiB\"\ndisk_limit = \"8GiB\"\nmax_concurrent = 16\nmax_context = 32768\n"
          "tokens_per_minute = 200000\nadmin = true\n"));
  ASSERT_TRUE(file) << file.error().message;
  const TenantRecord& record = file->tenants.at(0);
  EXPECT_EQ(record.tenant.name, "acme");
  EXPECT_EQ(record.tenant.weight, 2);
  EXPECT_EQ(record.tenant.generation, 7u);
  EXPECT_EQ(record.tenant.kv_guaranteed_bytes, 256u << 20);
  EXPECT_EQ(record.tenant.kv_limit_bytes, 1u << 30);
  EXPECT_EQ(record.tenant.kv_pinned_bytes, 1u << 20);
  EXPECT_EQ(record.tenant.disk_limit_bytes, uint64_t{8} << 30);
  EXPECT_EQ(record.tenant.max_concurrent, 16u);
  EXPECT_EQ(record.tenant.max_context, 32768u);
  EXPECT_EQ(record.tenant.tokens_per_minute, 200000u);
  EXPECT_TRUE(record.admin);
  EXPECT_EQ(record.key_hashes, std::vector{kHash});
}

TEST(TenantsFile, WhatIsLeftOutHasNoLimit) {
  const auto file = Parse(One(""));
  ASSERT_TRUE(file);
  const Tenant& tenant = file->tenants.at(0).tenant;
  EXPECT_EQ(tenant.kv_limit_bytes, Tenant::kUnlimited);
  EXPECT_EQ(tenant.tokens_per_minute, Tenant::kUnlimited);
  EXPECT_EQ(tenant.kv_guaranteed_bytes, 0u);
  EXPECT_FALSE(file->tenants.at(0).admin);
  EXPECT_EQ(tenant.kv_pinned_bytes, 0u);
  EXPECT_EQ(Parse(One("kv_guaranteed = 4096"))->tenants[0].tenant.kv_pinned_bytes, 4096u);
  EXPECT_TRUE(Parse("")->tenants.empty());
}

TEST(TenantsFile, RefusesWithTenantAndField) {
  const std::pair<std::string, std::string> kBad[] = {
      {One("kv_limt = \"1GiB\""), "t.toml:4: tenant \"acme\": there is no field 'kv_limt'"},
      {One("kv_limit = \"1GB\""), "kv_limit"},
      {One("kv_limit = true"), "kv_limit"},
      {One("kv_limit = -1"), "kv_limit"},
      {One("weight = 0"), "weight"},
      {One("weight = nan"), "weight"},
      {One("weight = \"2\""), "weight"},
      {One("max_concurrent = 0"), "max_concurrent"},
      {One("max_context = 1.5"), "max_context"},
      {One("tokens_per_minute = 0"), "tokens_per_minute"},
      {One("generation = -1"), "generation"},
      {One("admin = 1"), "admin"},
      {One("kv_guaranteed = \"2GiB\"\nkv_limit = \"1GiB\""), "kv_guaranteed (2 GiB)"},
      {One("") + "# 4\n" + One(""), "t.toml:6: tenant \"acme\": there are two of this name"},
      {One("") + "[[tenant]]\nname = \"b\"\nkey_hashes = [\n\"" + kHash + "\"]\n",
       "t.toml:7: tenant \"b\": key_hashes has a key that is there before"},
      {"[[tenant]]\nname = \"a\"\n", "key_hashes is missing"},
      {"[[tenant]]\nkey_hashes = []\n", "without name"},
      {"[[tenant]]\nname = \"a b\"\nkey_hashes = []\n", "letters"},
      {"[[tenant]]\nname = \"public\"\nkey_hashes = []\n", "public"},
      {"[tenant]\nname = \"a\"\n", "[[tenant]]"},
      {"tenants = 1\n", "'tenants'"},
      {"[[tenant\n", "t.toml:1: this is not TOML"},
  };
  for (const auto& [text, message] : kBad) {
    const auto file = Parse(text);
    ASSERT_FALSE(file) << text;
    EXPECT_EQ(file.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(file.error().message.find(message), std::string::npos) << file.error().message;
  }
}

TEST(TenantsFile, ReadsPublicPrefixes) {
  const auto file = Parse(
      "[[public_prefix]]\ntext = \"Be kind.\"\n[[public_prefix]]\n"
      "messages = [{role = \"system\", content = \"Be \\\"kind\\\".\"}]\n");
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ(file->public_texts.size(), 2u);
  EXPECT_EQ(file->public_texts[0].text, "Be kind.");
  EXPECT_NE(file->public_texts[1].messages.find("\"system\""), std::string::npos);
  EXPECT_NE(file->public_texts[1].messages.find("Be \\\"kind\\\"."), std::string::npos);
  for (const char* bad : {"[[public_prefix]]\n", "[[public_prefix]]\ntext = 1\n",
                          "[[public_prefix]]\ntext = \"a\"\nmessages = [{role = \"user\"}]\n",
                          "[public_prefix]\ntext = \"a\"\n"}) {
    EXPECT_FALSE(Parse(bad)) << bad;
  }
}

TEST(TenantsFile, NeverRepeatsWhatMayBeAKey) {
  const auto file = Parse("[[tenant]]\nname = \"a\"\nkey_hashes = [\"quire-secret\"]\n");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().message.find("secret"), std::string::npos);
}

TEST(TenantKey, IsRandomAndHashed) {
  const std::string key = NewTenantKey();
  EXPECT_EQ(key.size(), 49u);
  EXPECT_NE(key, NewTenantKey());
  EXPECT_TRUE(IsKeyHash(HashTenantKey(key)));
  EXPECT_FALSE(IsKeyHash(key));
  // BLAKE2b-256 of the empty string.
  EXPECT_EQ(HashTenantKey(""), "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
  EXPECT_TRUE(SameKeyHash(kHash, HashTenantKey("key of acme")));
  EXPECT_FALSE(SameKeyHash(kHash, HashTenantKey("another")));
  EXPECT_FALSE(SameKeyHash(kHash, ""));
}

TEST(TenantDirectory, KnowsKeys) {
  const TenantDirectory directory(*Parse(One("admin = true")));
  EXPECT_TRUE(directory.needs_key());
  using Keys = std::vector<std::string>;
  EXPECT_FALSE(directory.Find(Keys{}));
  EXPECT_FALSE(directory.Find(Keys{"", kHash}));
  const auto caller = directory.Find(Keys{"nobody's", "key of acme"});
  ASSERT_TRUE(caller);
  EXPECT_EQ(caller->tenant, "acme");
  EXPECT_TRUE(caller->admin);
  EXPECT_FALSE(TenantDirectory().needs_key());
  EXPECT_EQ(TenantDirectory().Find(Keys{})->tenant, "default");
}

TEST(TenantDirectory, WhoHasGoneIsPurged) {
  const TenantDirectory before(*Parse(One("generation = 4")));
  const TenantDirectory after(*Parse(""), &before);
  ASSERT_EQ(after.tenants().size(), 1u);
  EXPECT_EQ(after.tenants()[0].name, "acme");
  EXPECT_EQ(after.tenants()[0].generation, 5u);
  EXPECT_FALSE(after.Find(std::vector<std::string>{"key of acme"}));
  const TenantDirectory later(*Parse(""), &after);
  EXPECT_EQ(later.tenants().at(0).generation, 5u);
  const TenantDirectory back(*Parse(One("generation = 9")), &later);
  ASSERT_EQ(back.tenants().size(), 1u);
  EXPECT_EQ(back.tenants()[0].generation, 9u);
}

TEST(TenantsText, KeepsCommentsAndTheRest) {
  const std::string first = "# who we serve\n" + One("weight = 3  # they pay\n");
  const TenantsText text{first, "t.toml"};
  const auto both = text.Add("beta", {{"key_hashes", "[]"}, {"kv_limit", "\"1GiB\""}});
  ASSERT_TRUE(both) << both.error().message;
  EXPECT_TRUE(both->starts_with(first));
  ASSERT_TRUE(Parse(*both)->Find("beta"));
  EXPECT_EQ(Parse(*both)->Find("beta")->tenant.kv_limit_bytes, 1u << 30);

  const TenantsText two{*both + "\n# the end\n", "t.toml"};
  const auto purged = two.SetGeneration("acme", 5);
  ASSERT_TRUE(purged) << purged.error().message;
  EXPECT_EQ(Parse(*purged)->Find("acme")->tenant.generation, 5u);
  EXPECT_EQ(Parse(*purged)->Find("beta")->tenant.generation, 0u);
  const auto again = TenantsText{*purged, "t.toml"}.SetGeneration("acme", 66);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(Parse(*again)->Find("acme")->tenant.generation, 66u);
  EXPECT_NE(again->find("# they pay"), std::string::npos);

  const auto left = two.Remove("acme");
  ASSERT_TRUE(left) << left.error().message;
  EXPECT_TRUE(left->starts_with("# who we serve\n[[tenant]]\nname = \"beta\"")) << *left;
  EXPECT_TRUE(left->ends_with("# the end\n"));
  const auto none = TenantsText{*left, "t.toml"}.Remove("beta");
  ASSERT_TRUE(none) << none.error().message;
  EXPECT_TRUE(Parse(*none)->tenants.empty());
}

TEST(TenantsText, Refuses) {
  const TenantsText text{One(""), "t.toml"};
  EXPECT_EQ(text.Add("acme", {{"key_hashes", "[]"}}).error().code, ErrorCode::kConflict);
  EXPECT_EQ(text.Add("a\"b", {}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(text.Add("b", {{"key_hashes", "[]"}, {"weight", "-1"}}).error().code,
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(text.Remove("b").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(text.SetGeneration("b", 1).error().code, ErrorCode::kNotFound);
  const TenantsText inline_list{"tenant = [{name = \"a\", key_hashes = []}]\n", "t.toml"};
  EXPECT_EQ(inline_list.Remove("a").error().code, ErrorCode::kUnsupported);
}

TEST(TenantsText, WritesForItsOwnerAndKeepsTheMode) {
  const Folder folder;
  const std::string path = folder / "deep/tenants.toml";
  ASSERT_TRUE(WriteTextFile(path, "a"));
  EXPECT_EQ(ModeOf(path), 0600u);
  chmod(path.c_str(), 0640);
  std::filesystem::create_symlink(path, folder / "link");
  ASSERT_TRUE(WriteTextFile(folder / "link", "bc"));
  EXPECT_EQ(ModeOf(path), 0640u);
  EXPECT_EQ(*ReadTextFile(path), "bc");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_FALSE(WriteTextFile("/proc/none/tenants.toml", "a"));
}

TEST(MasterKey, IsDrawnOnceAndReadAgain) {
  const Folder folder;
  const std::string path = folder / "quire/master.key";
  const auto first = LoadMasterKey(path);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->size(), kMasterKeyBytes);
  EXPECT_EQ(ModeOf(path), 0600u);
  EXPECT_EQ(*LoadMasterKey(path), *first);
  EXPECT_NE(*LoadMasterKey(folder / "other.key"), *first);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder / "quire"), {}), 1);
  EXPECT_NE(DeriveSecret(*first, "a"), DeriveSecret(*first, "b"));
  EXPECT_EQ(DeriveSecret(*first, "a").size(), 32u);
}

TEST(MasterKey, RefusesWhatOthersMayReadAndWhatIsNone) {
  const Folder folder;
  const std::string path = folder / "master.key";
  ASSERT_TRUE(LoadMasterKey(path));
  chmod(path.c_str(), 0640);
  EXPECT_EQ(LoadMasterKey(path).error().code, ErrorCode::kInvalidArgument);
  for (const std::string& text : {std::string(), std::string("abc\n"), std::string(64, 'g'),
                                  std::string(65, 'a'), std::string(200, 'a')}) {
    std::ofstream(path) << text;
    chmod(path.c_str(), 0600);
    EXPECT_EQ(LoadMasterKey(path).error().code, ErrorCode::kInvalidArgument) << text;
  }
  EXPECT_EQ(LoadMasterKey("/proc/none/master.key").error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace quire
