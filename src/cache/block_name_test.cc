#include "cache/block_name.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "cache/scope.h"

namespace quire {
namespace {

const std::string kKey(32, 'k');

ScopeFields Fields() {
  static const std::string secret = TenantSecret(kKey, "acme", 1);
  return {.model_digest = "digest",
          .kv_format = "f16",
          .numerics_version = 1,
          .tenant_secret = secret,
          .cache_salt = "salt"};
}

std::string Bytes(const BlockName& name) {
  return std::string(reinterpret_cast<const char*>(name.bytes.data()), name.bytes.size());
}

TEST(BlockName, DependsOnRootParentAndEveryToken) {
  const BlockName root = MakeScope(Fields()).root;
  std::vector<TokenId> tokens(16, 7);
  std::set<std::string> names{Bytes(NextBlockName(root, root, tokens))};
  for (TokenId& token : tokens) {
    token = 8;
    names.insert(Bytes(NextBlockName(root, root, tokens)));
  }
  const BlockName parent = NextBlockName(root, root, tokens);
  names.insert(Bytes(NextBlockName(root, parent, tokens)));
  names.insert(Bytes(NextBlockName(parent, root, tokens)));
  EXPECT_EQ(names.size(), 19u);
}

TEST(BlockName, IsAFunctionOfItsInputs) {
  const BlockName root = MakeScope(Fields()).root;
  const std::vector<TokenId> tokens{1, 2, 3};
  EXPECT_EQ(NextBlockName(root, root, tokens), NextBlockName(root, root, tokens));
}

TEST(BlockName, TruncationKeepsTheFirstBitsOnly) {
  BlockName name;
  name.bytes.fill(std::byte{0xff});
  const BlockName cut = TruncateName(name, 8);
  EXPECT_EQ(cut.bytes[0], std::byte{0xff});
  for (size_t i = 1; i < cut.bytes.size(); ++i) EXPECT_EQ(cut.bytes[i], std::byte{0});
}

TEST(Scope, EveryFieldChangesTheRoot) {
  const std::string other_secret = TenantSecret(kKey, "acme", 2);
  std::vector<ScopeFields> variants(6, Fields());
  variants[1].model_digest = "other";
  variants[2].kv_format = "q8";
  variants[3].numerics_version = 2;
  variants[4].tenant_secret = other_secret;
  variants[5].cache_salt = "";
  std::set<std::string> roots;
  for (const ScopeFields& fields : variants) roots.insert(Bytes(MakeScope(fields).root));
  EXPECT_EQ(roots.size(), variants.size());
}

TEST(Scope, BytesCannotMoveFromOneFieldToTheNext) {
  ScopeFields left = Fields();
  ScopeFields right = Fields();
  left.model_digest = "ab";
  left.kv_format = "c";
  right.model_digest = "a";
  right.kv_format = "bc";
  EXPECT_NE(MakeScope(left).root, MakeScope(right).root);
}

TEST(Scope, TenantSecretsDifferByTenantGenerationAndMasterKey) {
  const std::set<std::string> secrets{TenantSecret(kKey, "a", 1), TenantSecret(kKey, "b", 1),
                                      TenantSecret(kKey, "a", 2),
                                      TenantSecret(std::string(32, 'x'), "a", 1)};
  EXPECT_EQ(secrets.size(), 4u);
  for (const std::string& secret : secrets) EXPECT_EQ(secret.size(), 32u);
}

}  // namespace
}  // namespace quire
