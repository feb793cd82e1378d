# Who builds and who trains. Neither has a key: pods of the clusters in `issuers` become them.
resource "azurerm_user_assigned_identity" "writer" {
  name                = "deepsentinel-writer"
  resource_group_name = azurerm_resource_group.deepsentinel.name
  location            = azurerm_resource_group.deepsentinel.location
}

resource "azurerm_user_assigned_identity" "trainer" {
  name                = "deepsentinel-trainer"
  resource_group_name = azurerm_resource_group.deepsentinel.name
  location            = azurerm_resource_group.deepsentinel.location
}

locals {
  blobs = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
  # By the service account of Kubernetes that becomes it (infra/kubernetes/base).
  identities = {
    deepsentinel       = azurerm_user_assigned_identity.writer
    deepsentinel-train = azurerm_user_assigned_identity.trainer
  }
}

# What a destination asks of a container, and nothing else: to put an object, to read it and what is said of it, to list,
# to remove. The roles that Azure brings along could also remove whole containers, and sign tokens for others.
resource "azurerm_role_definition" "writer" {
  name        = "DeepSentinel writer (${var.account})"
  scope       = azurerm_resource_group.deepsentinel.id
  description = "Creates, reads, lists and removes objects."
  permissions {
    data_actions = ["${local.blobs}/read", "${local.blobs}/write", "${local.blobs}/add/action", "${local.blobs}/delete"]
  }
  assignable_scopes = [azurerm_resource_group.deepsentinel.id]
}

resource "azurerm_role_definition" "reader" {
  name        = "DeepSentinel reader (${var.account})"
  scope       = azurerm_resource_group.deepsentinel.id
  description = "Reads and lists objects."
  permissions {
    data_actions = ["${local.blobs}/read"]
  }
  assignable_scopes = [azurerm_resource_group.deepsentinel.id]
}

resource "azurerm_role_assignment" "writer" {
  for_each = azurerm_storage_container.corpora

  scope              = each.value.id
  role_definition_id = azurerm_role_definition.writer.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.writer.principal_id
  principal_type     = "ServicePrincipal"
}

# A training job reads all, and records itself beside its corpus: of the writer's rights it has them there alone.
resource "azurerm_role_assignment" "trainer" {
  for_each = azurerm_storage_container.corpora

  scope              = each.value.id
  role_definition_id = azurerm_role_definition.writer.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.trainer.principal_id
  principal_type     = "ServicePrincipal"
  condition_version  = "2.0"
  condition          = "((${join(" AND ", [for action in ["write", "add/action", "delete"] : "!(ActionMatches{'${local.blobs}/${action}'})"])}) OR (@Resource[${local.blobs}:path] StringLike '*/training/*'))"
}

resource "azurerm_role_assignment" "readers" {
  for_each = {
    for pair in setproduct(var.containers, var.readers) : "${pair[0]}/${pair[1]}" => { container = pair[0], group = pair[1] }
  }

  scope              = azurerm_storage_container.corpora[each.value.container].id
  role_definition_id = azurerm_role_definition.reader.role_definition_resource_id
  principal_id       = each.value.group
  principal_type     = "Group"
}

resource "azurerm_federated_identity_credential" "pods" {
  for_each = {
    for pair in setproduct(keys(var.issuers), keys(local.identities)) : "${pair[0]}-${pair[1]}" => {
      issuer = var.issuers[pair[0]], account = pair[1]
    }
  }

  name                = each.key
  resource_group_name = azurerm_resource_group.deepsentinel.name
  parent_id           = local.identities[each.value.account].id
  issuer              = each.value.issuer
  audience            = ["api://AzureADTokenExchange"]
  subject             = "system:serviceaccount:${var.namespace}:${each.value.account}"
}
