package s3fs

import (
	"fmt"
	"reflect"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyauth "github.com/aws/smithy-go/auth"
	smithyendpoints "github.com/aws/smithy-go/endpoints"
)

// endpointParameters are requests to different endpoints.
var endpointParameters = []s3.EndpointParameters{
	{Bucket: aws.String("a"), Region: aws.String("eu-central-1")},
	{Bucket: aws.String("b"), Region: aws.String("eu-central-1")},
	{Bucket: aws.String("a"), Region: aws.String("us-east-1")},
	{Bucket: aws.String("a"), Region: aws.String("us-east-1"), ForcePathStyle: aws.Bool(true)},
	{Bucket: aws.String("a"), Region: aws.String("us-east-1"), Endpoint: aws.String("http://127.0.0.1:9000"), ForcePathStyle: aws.Bool(true)},
	{Bucket: aws.String("a"), Region: aws.String("us-east-1"), UseDualStack: aws.Bool(true)},
	{Bucket: aws.String("a--use1-az4--x-s3"), Region: aws.String("us-east-1")},
	{Bucket: aws.String("a--use1-az4--x-s3"), Region: aws.String("us-east-1"), UseS3ExpressControlEndpoint: aws.Bool(true)},
	{Bucket: aws.String("arn:aws:s3:us-west-2:123456789012:accesspoint:p"), Region: aws.String("us-west-2")},
	{Region: aws.String("us-east-1")},
}

// describe returns all that an endpoint holds.
func describe(e smithyendpoints.Endpoint) string {
	text := fmt.Sprint(e.URI.String(), e.Headers)
	options, _ := smithyauth.GetAuthOptions(&e.Properties)
	for _, o := range options {
		text += fmt.Sprint(" ", o.SchemeID, o.IdentityProperties.Values(), o.SignerProperties.Values())
	}
	return text + fmt.Sprint(len(e.Properties.Values()))
}

// The second answer is the first one, even if the caller has changed it, and both are the SDK's.
func TestEndpointsAreCached(t *testing.T) {
	cache, sdk := newEndpointCache(), s3.NewDefaultEndpointResolverV2()
	type marker struct{}
	for round := range 2 {
		for _, p := range endpointParameters {
			want, err := sdk.ResolveEndpoint(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			for _, object := range []string{"key", "another"} {
				p.Key = &object
				got, err := cache.ResolveEndpoint(t.Context(), p)
				if err != nil || describe(got) != describe(want) {
					t.Errorf("round %d: %s (%v), want %s", round, describe(got), err, describe(want))
				}
				options, _ := smithyauth.GetAuthOptions(&got.Properties)
				for _, o := range options {
					o.SchemeID = "changed"
					o.SignerProperties.Set(marker{}, true)
				}
				got.Properties.Set(marker{}, true)
				got.URI.Host = "changed"
			}
		}
	}
	if len(cache.endpoints) != len(endpointParameters) {
		t.Errorf("%d endpoints in the cache, want %d", len(cache.endpoints), len(endpointParameters))
	}
}

// Each parameter belongs to the key, except those that name objects.
func TestEndpointKeyHasAllParameters(t *testing.T) {
	names := map[string]bool{"Key": true, "Prefix": true, "CopySource": true}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[s3.EndpointParameters]()) {
		var p s3.EndpointParameters
		value := reflect.New(field.Type.Elem())
		if value.Elem().Kind() == reflect.String {
			value.Elem().SetString("x")
		}
		reflect.ValueOf(&p).Elem().FieldByIndex(field.Index).Set(value)
		if changes := keyOf(p) != (endpointKey{}); changes == names[field.Name] {
			t.Errorf("%s changes the key: %v", field.Name, changes)
		}
	}
}

func TestEndpointCacheIsBounded(t *testing.T) {
	cache := newEndpointCache()
	for i := range maxEndpoints + 1 {
		p := s3.EndpointParameters{Bucket: aws.String(fmt.Sprint("bucket-", i)), Region: aws.String("us-east-1")}
		if _, err := cache.ResolveEndpoint(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	if len(cache.endpoints) > maxEndpoints {
		t.Errorf("%d endpoints in the cache", len(cache.endpoints))
	}
}

// With -race, this fails if requests share what the SDK changes.
func TestEndpointsAreNotShared(t *testing.T) {
	cache := newEndpointCache()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for _, p := range endpointParameters {
				e, err := cache.ResolveEndpoint(t.Context(), p)
				if err != nil {
					t.Error(err)
				}
				options, _ := smithyauth.GetAuthOptions(&e.Properties)
				for _, o := range options {
					o.SchemeID += "x"
					o.SignerProperties.Set(t, t)
				}
			}
		})
	}
	all.Wait()
}
