"""Properties of pulumi-aws that the stand-in does not have, and the values that ask for nothing.

Programs spell out defaults. `assignIpv6AddressOnCreation: false` is what every subnet is anyway,
so it is taken; the same property with another value is refused by `Resource.check`.
"""

from collections.abc import Mapping
from types import MappingProxyType

from sandbox.wire.values import UNKNOWN, Value

_NAMES = {
    "aws:ec2/vpc:Vpc": "assignGeneratedIpv6CidrBlock enableNetworkAddressUsageMetrics instanceTenancy "
    "ipv4IpamPoolId ipv4NetmaskLength ipv6CidrBlock ipv6CidrBlockNetworkBorderGroup "
    "ipv6IpamPoolId ipv6NetmaskLength",
    "aws:ec2/subnet:Subnet": "assignIpv6AddressOnCreation availabilityZoneId customerOwnedIpv4Pool "
    "enableDns64 enableLniAtDeviceIndex enableResourceNameDnsARecordOnLaunch "
    "enableResourceNameDnsAaaaRecordOnLaunch ipv4IpamPoolId ipv4NetmaskLength "
    "ipv6CidrBlock ipv6IpamPoolId ipv6Native ipv6NetmaskLength "
    "mapCustomerOwnedIpOnLaunch outpostArn privateDnsHostnameTypeOnLaunch",
    "aws:ec2/eip:Eip": "address associateWithPrivateIp customerOwnedIpv4Pool instance ipamPoolId "
    "networkBorderGroup networkInterface publicIpv4Pool",
    "aws:ec2/eipAssociation:EipAssociation": "networkInterfaceId privateIpAddress publicIp",
    "aws:ec2/natGateway:NatGateway": "availabilityMode availabilityZoneAddresses connectivityType privateIp "
    "secondaryAllocationIds secondaryPrivateIpAddressCount "
    "secondaryPrivateIpAddresses vpcId",
    "aws:ec2/routeTable:RouteTable": "propagatingVgws routes",
    "aws:ec2/route:Route": "carrierGatewayId coreNetworkArn destinationIpv6CidrBlock "
    "destinationPrefixListId egressOnlyGatewayId localGatewayId networkInterfaceId "
    "odbNetworkArn transitGatewayId vpcEndpointId vpcPeeringConnectionId",
    "aws:ec2/routeTableAssociation:RouteTableAssociation": "gatewayId",
    "aws:ec2/securityGroup:SecurityGroup": "namePrefix",
    "aws:ec2/flowLog:FlowLog": "deliverCrossAccountRole destinationOptions eniId iamRoleArn logFormat "
    "regionalNatGatewayId subnetId tagFieldSpecifications transitGatewayAttachmentId transitGatewayId",
    "aws:ec2/vpcEndpoint:VpcEndpoint": "autoAccept dnsOptions ipAddressType policy resourceConfigurationArn "
    "serviceNetworkArn serviceRegion subnetConfigurations",
    "aws:ec2/instance:Instance": "associatePublicIpAddress availabilityZone capacityReservationSpecification "
    "cpuOptions creditSpecification disableApiStop disableApiTermination "
    "ebsBlockDevices ebsOptimized enablePrimaryIpv6 enclaveOptions "
    "ephemeralBlockDevices forceDestroy getPasswordData hibernation hostId "
    "hostResourceGroupArn instanceInitiatedShutdownBehavior instanceMarketOptions "
    "ipv6AddressCount ipv6Addresses keyName launchTemplate maintenanceOptions "
    "monitoring networkInterfaces placementGroup placementGroupId "
    "placementPartitionNumber primaryNetworkInterface privateDnsNameOptions "
    "privateIp secondaryNetworkInterfaces secondaryPrivateIps securityGroups "
    "tenancy userDataBase64 volumeTags",
    "aws:iam/role:Role": "forceDetachPolicies inlinePolicies managedPolicyArns namePrefix",
    "aws:iam/rolePolicy:RolePolicy": "namePrefix",
    "aws:iam/policy:Policy": "delayAfterPolicyCreationInMs namePrefix",
    "aws:iam/accessKey:AccessKey": "pgpKey",
    "aws:iam/instanceProfile:InstanceProfile": "namePrefix",
    "aws:ecr/repository:Repository": "encryptionConfigurations imageTagMutabilityExclusionFilters",
    "aws:s3/bucket:Bucket": "accelerationStatus acl bucketNamespace bucketPrefix corsRules grants "
    "lifecycleRules logging objectLockConfiguration objectLockEnabled policy "
    "replicationConfiguration requestPayer serverSideEncryptionConfiguration "
    "versioning website",
    "aws:s3/bucketVersioning:BucketVersioning": "expectedBucketOwner mfa",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": "expectedBucketOwner",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": "skipDestroy",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": "expectedBucketOwner timeouts transitionDefaultMinimumObjectSize",
    "aws:eks/cluster:Cluster": "computeConfig controlPlaneScalingConfig defaultAddonsToRemoves "
    "forceUpdateVersion kubeApiServerConfig kubeControllerManagerConfig "
    "kubeSchedulerConfig kubernetesNetworkConfig outpostConfig remoteNetworkConfig "
    "storageConfig upgradePolicy zonalShiftConfig",
    "aws:eks/nodeGroup:NodeGroup": "launchTemplate nodeGroupNamePrefix nodeRepairConfig remoteAccess updateConfig "
    "warmPoolConfig",
    "aws:eks/addon:Addon": "namespaceConfig podIdentityAssociations",
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": "disableSessionTags policy targetRoleArn",
    "aws:rds/subnetGroup:SubnetGroup": "namePrefix",
    "aws:rds/instance:Instance": "availabilityZone backupTarget backupWindow blueGreenUpdate caCertIdentifier "
    "characterSetName customIamInstanceProfile customerOwnedIpEnabled "
    "databaseInsightsMode dedicatedLogVolume domain domainAuthSecretArn "
    "domainDnsIps domainFqdn domainIamRoleName domainOu "
    "enabledCloudwatchLogsExports engineLifecycleSupport "
    "iamDatabaseAuthenticationEnabled identifierPrefix iops kmsKeyId licenseModel "
    "maintenanceWindow manageMasterUserPassword masterUserSecretKmsKeyId "
    "maxAllocatedStorage monitoringInterval monitoringRoleArn ncharCharacterSetName "
    "networkType optionGroupName parameterGroupName passwordWo passwordWoVersion "
    "performanceInsightsEnabled performanceInsightsKmsKeyId "
    "performanceInsightsRetentionPeriod port replicaMode replicateSourceDb "
    "restoreToPointInTime s3Import snapshotIdentifier storageThroughput timezone "
    "upgradeStorageConfig warningEventCategories",
    "aws:budgets/budget:Budget": "accountId autoAdjustData billingViewArn costTypes filterExpression metrics "
    "namePrefix plannedLimits timePeriodEnd timePeriodStart",
    "aws:kms/key:Key": "bypassPolicyLockoutSafetyCheck customKeyStoreId customerMasterKeySpec keyUsage "
    "multiRegion policy rotationPeriodInDays xksKeyId",
    "aws:secretsmanager/secret:Secret": "namePrefix policy replicas type",
    "aws:cloudwatch/logGroup:LogGroup": "deletionProtectionEnabled kmsKeyId logGroupClass namePrefix skipDestroy",
}
"""By type: what its class in the SDK takes and ours does not."""

_DEFAULTS: Mapping[str, Mapping[str, Value]] = MappingProxyType(
    {
        "aws:ec2/instance:Instance": {
            "instanceInitiatedShutdownBehavior": "stop",
            "tenancy": "default",
        },
        "aws:ec2/natGateway:NatGateway": {
            "availabilityMode": "zonal",
            "connectivityType": "public",
        },
        "aws:ec2/subnet:Subnet": {"privateDnsHostnameTypeOnLaunch": "ip-name"},
        "aws:ec2/vpc:Vpc": {"instanceTenancy": "default"},
        "aws:kms/key:Key": {
            "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "keyUsage": "ENCRYPT_DECRYPT",
        },
        "aws:cloudwatch/logGroup:LogGroup": {"logGroupClass": "STANDARD"},
        "aws:rds/instance:Instance": {
            "backupTarget": "region",
            "monitoringInterval": 0,
            "networkType": "IPV4",
        },
        "aws:s3/bucket:Bucket": {"acl": "private", "bucketNamespace": "global"},
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": {
            "transitionDefaultMinimumObjectSize": "all_storage_classes_128K"
        },
    }
)
"""Defaults that say something. None of the properties above is true by default."""


def asks_for_nothing(resource_type: str, key: str, value: Value) -> bool:
    """Whether a property that the stand-in lacks has the value that it has anyway."""
    if value is UNKNOWN or key not in _NAMES.get(resource_type, "").split():
        return False
    if value is False or value in ("", [], {}):
        return True
    return bool(value == _DEFAULTS.get(resource_type, {}).get(key))
