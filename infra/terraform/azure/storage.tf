resource "azurerm_resource_group" "deepsentinel" {
  name     = var.resource_group
  location = var.location
}

resource "azurerm_storage_account" "corpora" {
  name                = var.account
  resource_group_name = azurerm_resource_group.deepsentinel.name
  location            = azurerm_resource_group.deepsentinel.location

  account_kind             = "StorageV2"
  account_tier             = "Standard"
  account_replication_type = var.replication

  # Rights are those of identities.tf, and never the public's.
  allow_nested_items_to_be_public = false
  shared_access_key_enabled       = var.keys
  default_to_oauth_authentication = true
  https_traffic_only_enabled      = true
  min_tls_version                 = "TLS1_2"

  cross_tenant_replication_enabled = false

  blob_properties {
    versioning_enabled = var.versions
    delete_retention_policy {
      days = var.kept_days
    }
    container_delete_retention_policy {
      days = var.kept_days
    }
  }

  dynamic "network_rules" {
    for_each = length(var.addresses) > 0 ? [var.addresses] : []
    content {
      default_action = "Deny"
      bypass         = ["None"]
      ip_rules       = network_rules.value
    }
  }
}

resource "azurerm_storage_container" "corpora" {
  for_each = var.containers

  name                  = each.key
  storage_account_id    = azurerm_storage_account.corpora.id
  container_access_type = "private"
}

resource "azurerm_storage_management_policy" "corpora" {
  count = var.versions ? 1 : 0

  storage_account_id = azurerm_storage_account.corpora.id
  rule {
    name    = "older-versions"
    enabled = true
    filters {
      blob_types = ["blockBlob"]
    }
    actions {
      version {
        delete_after_days_since_creation = var.kept_days
      }
    }
  }
}
